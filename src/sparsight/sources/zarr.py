"""Rows from a zarr array."""

from pathlib import Path
from typing import Any

import numpy as np

from sparsight.core import Schema
from sparsight.errors import SparsightError
from sparsight.sources._rows import Rows
from sparsight.spec import register

MARKS = ("zarr.json", ".zarray", ".zgroup")
"""One of these lies in the folder of an array or a group."""


@register("source", "zarr")
class Zarr(Rows):
    """Rows of a zarr array, [N, D] or [N, height, width(, channels)], read when they are asked for.

    A row takes as long to read as its chunk: where chunks have many rows, random batches are faster from `shards`.

    Args:
        path: the folder of an array, or of a group of them.
        key: which array of a group, where it holds several.

    Raises:
        SparsightError: zarr is not installed, there is no array, or it does not hold rows of numbers.
    """

    stored = True

    def __init__(self, *, path: str, key: str | None = None) -> None:
        self.path = path
        array = _array(path, key)
        if array.dtype.kind not in "fiub" or array.ndim not in (2, 3, 4):
            raise SparsightError(f"{path!r} holds {list(array.shape)} of {array.dtype}: give rows of numbers")
        shape = tuple(array.shape[1:]) if array.ndim > 2 else None
        self._hold(_Picked(array), Schema(n_inputs=int(np.prod(array.shape[1:])), shape=shape))

    def _what(self) -> str:
        return self.path

    @classmethod
    def opens(cls, path: str) -> dict[str, str] | None:
        return {"path": path} if any((Path(path) / mark).is_file() for mark in MARKS) else None


class _Picked:
    """A zarr array whose rows are picked by their numbers."""

    def __init__(self, array: Any) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, ids: np.ndarray) -> np.ndarray:
        if not len(ids):
            return np.empty((0, *self.shape[1:]), self.dtype)
        if len(ids) == ids[-1] - ids[0] + 1 and (np.diff(ids) == 1).all():
            return self.array[int(ids[0]) : int(ids[-1]) + 1]
        there, back = np.unique(ids, return_inverse=True)
        return self.array.oindex[there][back]


def _array(path: str, key: str | None) -> Any:
    try:
        import zarr
    except ImportError:
        raise SparsightError('zarr is not installed: pip install "sparsight[zarr]"') from None
    if not Path(path).is_dir():
        raise SparsightError(f"there is no folder {path!r}")
    try:
        opened = zarr.open(path, mode="r")
    except Exception as error:  # of a dozen types, none of them documented
        raise SparsightError(f"{path!r} is damaged or no zarr folder ({' '.join(str(error).split())})") from None
    if isinstance(opened, zarr.Array):
        return opened
    arrays = dict(opened.arrays())
    if key is None and len(arrays) == 1:
        return next(iter(arrays.values()))
    if key not in arrays:
        asked = "give a key" if key is None else f"there is no {key!r}"
        raise SparsightError(f"{path!r} holds {', '.join(sorted(arrays)) or 'nothing'}: {asked}")
    return arrays[key]
