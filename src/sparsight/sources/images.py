"""A folder of pictures."""

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import Field

from sparsight.core import Schema
from sparsight.errors import SparsightError
from sparsight.sources._pictures import Reading, classes_of, holds_pictures, picture, pictures_in
from sparsight.sources._rows import Rows
from sparsight.spec import register


@register("source", "images")
class Images(Rows):
    """All pictures in a folder, pixels in [0, 1]; its sub-folders, where there are any, are classes.

    Args:
        path: the folder.
        size: [height, width] to which pictures are resized; without it all must be of one size.
        grey: one channel; else three, red, green and blue.
        skip_unreadable: leave pictures out that cannot be read, and say which.
    """

    pixels = True

    def __init__(
        self,
        *,
        path: str,
        size: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=2, max_length=2)] | None = None,
        grey: bool = True,
        skip_unreadable: bool = False,
    ) -> None:
        reading, shape = Reading(pictures_in(path), skip_unreadable), None
        kept: list[Path] = []
        base = np.empty((0, 0), np.uint8)
        for file, found in reading.each(lambda file: picture(file, grey, size)):
            if shape is None:
                shape, base = found.shape, np.empty((len(reading.files), found.size), np.uint8)
            if found.shape != shape:
                raise SparsightError(
                    f"{str(file)!r} has {_size(found.shape)} pixels and the first picture {_size(shape)}: "
                    "give a size, such as source.size=[28,28]"
                )
            base[len(kept)] = found.reshape(-1)
            kept.append(file)
        folders = classes_of(kept, path)
        classes = sorted(set(folders))
        known = len(classes) > 1
        self.notes = reading.notes
        self._hold(
            torch.from_numpy(base[: len(kept)]),
            Schema(n_inputs=base.shape[1], shape=shape, classes=tuple(classes) if known else None),
            labels=torch.tensor([classes.index(name) for name in folders]) if known else None,
        )

    @classmethod
    def opens(cls, path: str) -> dict[str, str] | None:
        return {"path": path} if holds_pictures(path) else None


def _size(shape: tuple[int, ...]) -> str:
    return " × ".join(str(n) for n in shape[:2])
