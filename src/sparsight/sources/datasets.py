"""Rows from a data set of Hugging Face."""

from pathlib import Path
from typing import Any

import numpy as np

from sparsight.core import Schema
from sparsight.errors import SparsightError
from sparsight.sources._rows import Rows
from sparsight.spec import register

MARKS = ("dataset_info.json", "dataset_dict.json")
"""One of these lies in the folder of a data set."""


@register("source", "datasets")
class Datasets(Rows):
    """A column of vectors, or of arrays of one shape, of a data set that `save_to_disk` wrote; read when asked for.

    Args:
        path: the folder.
        column: which; it may be left out where only one holds lists or arrays.
        part: which of several, such as train.

    Raises:
        SparsightError: datasets is not installed, there is no such column, or its rows are no numbers of one length.
    """

    stored = True

    def __init__(self, *, path: str, column: str | None = None, part: str | None = None) -> None:
        self.path = path
        data = _opened(path, part)
        column = _chosen(data, column, path)
        base = _Picked(data.with_format("numpy", columns=[column]), column, path)
        shape = base.shape[1:] if len(base.shape) > 2 else None
        self._hold(base, Schema(n_inputs=int(np.prod(base.shape[1:])), shape=shape))

    def _what(self) -> str:
        return self.path

    @classmethod
    def opens(cls, path: str) -> dict[str, str] | None:
        return {"path": path} if any((Path(path) / mark).is_file() for mark in MARKS) else None


class _Picked:
    """A column whose rows are picked by their numbers."""

    def __init__(self, data: Any, column: str, path: str) -> None:
        self.data, self.column, self.path = data, column, path
        first = self._numbers(data[:1][column]) if len(data) else np.empty((0, 1))
        self.shape, self.dtype = (len(data), *first.shape[1:]), first.dtype

    def __getitem__(self, ids: np.ndarray) -> np.ndarray:
        if not len(ids):
            return np.empty((0, *self.shape[1:]), self.dtype)
        rows = self._numbers(self.data[ids.tolist()][self.column])
        if rows.shape[1:] != self.shape[1:]:
            raise SparsightError(
                f"rows of the column {self.column!r} of {self.path!r} have {list(rows.shape[1:])} numbers, and the "
                f"first has {list(self.shape[1:])}: give each the same"
            )
        return rows

    def _numbers(self, rows: Any) -> np.ndarray:
        if not isinstance(rows, np.ndarray) or rows.dtype.kind not in "fiub" or rows.ndim not in (2, 3, 4):
            raise SparsightError(
                f"the column {self.column!r} of {self.path!r} has rows that are no numbers of one length"
            )
        return rows


def _opened(path: str, part: str | None) -> Any:
    try:
        import datasets
    except ImportError:
        raise SparsightError('datasets is not installed: pip install "sparsight[datasets]"') from None
    if not Path(path).is_dir():
        raise SparsightError(f"there is no folder {path!r}")
    try:
        found = datasets.load_from_disk(path)
    except Exception as error:  # of a dozen types, none of them documented
        said = " ".join(str(error).split())
        raise SparsightError(f"{path!r} is damaged, or not what save_to_disk writes ({said})") from None
    if not isinstance(found, datasets.DatasetDict):
        return found
    if part is None and len(found) == 1:
        return next(iter(found.values()))
    if part not in found:
        asked = "give a part" if part is None else f"there is no {part!r}"
        raise SparsightError(f"{path!r} holds {', '.join(str(name) for name in found)}: {asked}")
    return found[part]


def _chosen(data: Any, column: str | None, path: str) -> str:
    names = list(data.column_names)
    if column is not None:
        if column not in names:
            raise SparsightError(f"{path!r} has no column {column!r}: there is {', '.join(names)}")
        return column
    import datasets

    one = (datasets.Value, datasets.ClassLabel)
    wide = [name for name in names if not isinstance(data.features[name], one)]
    if len(wide) != 1:
        raise SparsightError(f"{path!r} has the columns {', '.join(names)}: name one that holds vectors")
    return wide[0]
