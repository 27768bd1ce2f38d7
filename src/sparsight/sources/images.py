"""A folder of pictures."""

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from pydantic import Field

from sparsight.core import Schema
from sparsight.errors import SparsightError
from sparsight.sources._rows import Rows
from sparsight.spec import register

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}


def pictures_in(folder: Path) -> list[Path]:
    """The files of pictures in a folder and its sub-folders, sorted."""
    return sorted(filter(_is_picture, folder.rglob("*")))


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file()


@register("source", "images")
class Images(Rows):
    """All pictures in a folder, pixels in [0, 1]; its sub-folders, where there are any, are classes.

    Args:
        path: the folder.
        size: [height, width] to which pictures are resized; without it all must be of one size.
        grey: one channel; else three, red, green and blue.
    """

    pixels = True

    def __init__(
        self,
        *,
        path: str,
        size: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=2, max_length=2)] | None = None,
        grey: bool = True,
    ) -> None:
        folder = Path(path)
        if not folder.is_dir():
            raise SparsightError(f"there is no folder {path!r}")
        files = pictures_in(folder)
        if not files:
            raise SparsightError(f"the folder {path!r} holds no pictures ({', '.join(sorted(SUFFIXES))})")
        first = self._open(files[0], size, grey)
        base = np.empty((len(files), first.size), np.uint8)
        for row, file in enumerate(files):
            picture = self._open(file, size, grey)
            if picture.shape != first.shape:
                raise SparsightError(
                    f"{str(file)!r} has {_size(picture)} pixels and the first picture {_size(first)}: "
                    "give a size, such as source.size=[28,28]"
                )
            base[row] = picture.reshape(-1)
        folders = [file.relative_to(folder).parts[0] if file.parent != folder else "" for file in files]
        classes = sorted(set(folders))
        known = len(classes) > 1
        self._hold(
            torch.from_numpy(base),
            Schema(n_inputs=first.size, shape=first.shape, classes=tuple(classes) if known else None),
            labels=torch.tensor([classes.index(name) for name in folders]) if known else None,
        )

    @staticmethod
    def _open(file: Path, size: list[int] | None, grey: bool) -> np.ndarray:
        try:
            with Image.open(file) as picture:
                if picture.mode.startswith(("I", "F")):  # Pillow would cut everything above 255 off
                    raise SparsightError(f"the picture {str(file)!r} has more than 8 bits per pixel: convert it to 8")
                picture = picture.convert("RGBA") if "transparency" in picture.info else picture
                picture = picture.convert("L" if grey else "RGB")
                return np.asarray(picture if size is None else picture.resize((size[1], size[0])))
        except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise SparsightError(f"the picture {str(file)!r} cannot be read ({error}): mend or remove it") from None

    @classmethod
    def opens(cls, path: str) -> dict[str, str] | None:
        folder = Path(path)
        return {"path": path} if folder.is_dir() and any(map(_is_picture, folder.rglob("*"))) else None


def _size(picture: np.ndarray) -> str:
    return " × ".join(str(n) for n in picture.shape[:2])
