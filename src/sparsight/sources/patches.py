"""Patches of pictures, at random places."""

import importlib.util
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from sparsight.core import Context, Schema
from sparsight.errors import SparsightError
from sparsight.sources._hashing import hashed, uniform
from sparsight.sources._pictures import Reading, UnusableError, classes_of, picture, pictures_in
from sparsight.sources._rows import Rows
from sparsight.spec import register

PHOTOGRAPHS = (
    "astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png", "coins.png", "grass.png", "gravel.png",
    "motorcycle_left.png", "rocket.jpg",
)  # fmt: skip
"""The photographs among the pictures of scikit-image; of the stereo pair one."""
NAMES = ("photographs", "patches")
"""What says these, in the place of a folder."""
_PLACE = 30
AROUND = 2
"""Patches to each side that are shown around one, at most."""


@register("source", "patches")
class Patches(Rows):
    """Square patches at random places of pictures, pixels in [0, 1]; all places of all pictures are equally likely.

    Where patch number i lies is a function of the seed and i alone, so more patches begin with the same. When samples
    are set aside, pictures stay whole: no patch that is measured overlaps one that was trained on. Sub-folders, where
    there are several, are classes. One picture at a time is in memory, and all patches, a byte per pixel.

    Args:
        path: a folder of pictures, or `photographs`: ten that scikit-image ships.
        size: height and width of a patch.
        n: how many patches.
        bands: each picture is cut into this many horizontal bands, which patches do not cross, and which may be set
            aside one by one: for the few pictures of which none can be spared.
        grey: one channel; else three, red, green and blue.
        skip_unreadable: leave pictures out that cannot be read or are too small, and say which.
        seed: of the places.

    Raises:
        SparsightError: there is no picture, or one cannot be read or is smaller than a patch.
    """

    pixels = True

    def __init__(
        self,
        *,
        path: str = NAMES[0],
        size: Annotated[int, Field(ge=1)] = 12,
        n: Annotated[int, Field(ge=1)] = 50_000,
        bands: Annotated[int, Field(ge=1)] = 1,
        grey: bool = True,
        skip_unreadable: bool = False,
        seed: Annotated[int, Field(ge=0)] = 0,
    ) -> None:
        named = path in NAMES
        reading = Reading(photographs() if named else pictures_in(path), skip_unreadable)
        fields = {  # a first pass for the sizes, since where patches lie depends on all of them
            file: (found.shape[0] // bands, found.shape[1])
            for file, found in reading.each(partial(_large_enough, size=size, bands=bands, grey=grey))
        }
        self.notes = reading.notes
        self.size, self.grey, self.files = size, grey, list(fields)
        field, row, column = _places([shape for shape in fields.values() for _ in range(bands)], size, n, seed)
        which = field // bands
        row += field % bands * np.array([height for height, _ in fields.values()])[which]
        self._field, self._which, self._corner = torch.from_numpy(field), which, np.stack([row, column], 1)
        folders = classes_of(self.files, path) if not named else [""]
        classes = sorted(set(folders))
        known = len(classes) > 1
        base = self._cut(n)
        self._hold(
            torch.from_numpy(base.reshape(n, -1)),
            Schema(n_inputs=base[0].size, shape=base.shape[1:], classes=tuple(classes) if known else None),
            labels=torch.tensor([classes.index(name) for name in folders])[which] if known else None,
        )

    def _cut(self, n: int) -> np.ndarray:
        """All patches, [n, size, size] or [n, size, size, 3]: picture by picture."""
        base = np.empty((n, self.size, self.size, *([] if self.grey else [3])), np.uint8)
        for number, file in enumerate(self.files):
            mine = (self._which == number).nonzero()[0]
            windows = np.lib.stride_tricks.sliding_window_view(picture(file, self.grey), (self.size, self.size), (0, 1))
            cut = windows[*self._corner[mine].T]
            base[mine] = cut if self.grey else np.moveaxis(cut, 1, -1)
        return base

    def groups(self) -> Tensor:
        """The picture of each patch, or its band of it."""
        return self._field if self.order is None else self._field[self.order]

    def context(self, id: int, reach: int = 12) -> Context | None:
        """The patch among those that would lie beside it, up to two to each side; None: its picture is not there."""
        number = id if self.order is None else int(self.order[id])
        file, corner, size = self.files[self._which[number]], self._corner[number], self.size
        try:
            whole = picture(file, grey=False)
        except UnusableError:
            return None
        sides, most = np.array(whole.shape[:2]), min(AROUND, reach)
        before = np.minimum(corner // size, most)
        after = np.minimum((sides - corner) // size - 1, most)
        (top, left), (rows, columns) = corner - before * size, before + 1 + after
        here = int(before[0] * columns + before[1])
        return Context(
            ids=tuple(id if cell == here else -1 for cell in range(rows * columns)),
            here=here,
            picture=whole[top : top + rows * size, left : left + columns * size].copy(),
            grid=(int(rows), int(columns)),
            origin=f"{file.name}, row {corner[0]}, column {corner[1]}",
        )

    @classmethod
    def opens(cls, path: str) -> dict[str, str] | None:
        return {} if path in NAMES else None


def photographs() -> list[Path]:
    """The files of the photographs that scikit-image ships.

    Raises:
        SparsightError: scikit-image is not there.
    """
    found = importlib.util.find_spec("skimage")
    if found is None or found.origin is None:
        raise SparsightError("the photographs come with scikit-image: pip install 'sparsight[photographs]'")
    return [Path(found.origin).parent / "data" / name for name in PHOTOGRAPHS]


def _large_enough(file: Path, *, size: int, bands: int, grey: bool) -> np.ndarray:
    found = picture(file, grey)
    height, width = found.shape[:2]
    if min(height // bands, width) < size:
        of_bands = f" in {bands} bands" if bands > 1 else ""
        raise UnusableError(
            f"has {height} × {width} pixels{of_bands}, which is smaller than a patch of {size} × {size}"
        )
    return found


def _places(shapes: list[tuple[int, int]], size: int, n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each patch the field, such as a picture, and row and column of its corner there, [n] each."""
    rows, columns = (np.array(sides) - size + 1 for sides in zip(*shapes, strict=True))
    ends = (rows * columns).cumsum()
    numbers = np.arange(n)
    place = (uniform(hashed(seed, _PLACE, numbers, np.zeros_like(numbers))) * ends[-1]).astype(np.int64)
    place = np.minimum(place, ends[-1] - 1)  # a number just below 1 may be rounded up
    field = np.searchsorted(ends, place, side="right")
    rest = place - (ends - rows * columns)[field]
    return field, rest // columns[field], rest % columns[field]
