"""Vectors from a column of a Parquet file."""

from pathlib import Path
from typing import Any

import numpy as np

from sparsight.core import Schema
from sparsight.errors import SparsightError
from sparsight.sources._rows import Rows
from sparsight.spec import register

MISSING = 'pyarrow is not installed: pip install "sparsight[tables]"'


@register("source", "parquet")
class Parquet(Rows):
    """A column of lists of one length, [N, D], of a Parquet file; tables of named columns are for the source `tables`.

    Parquet is packed in groups of rows, of which no single row can be read: the column, and no other, is held in memory
    as it was stored. What is larger than that is written as `shards` first.

    Args:
        path: the file.
        column: which; it may be left out where only one holds lists.

    Raises:
        SparsightError: pyarrow is not installed, there is no such column, or its rows are no numbers of one length.
    """

    def __init__(self, *, path: str, column: str | None = None) -> None:
        try:
            import pyarrow.parquet as pq
        except ImportError:
            raise SparsightError(MISSING) from None
        self.path = path
        if not Path(path).is_file():
            raise SparsightError(f"there is no file {path!r}")
        try:
            with pq.ParquetFile(path) as file:
                name = _chosen(file.schema_arrow, column, path)
                base = _vectors(file, name, path)
        except SparsightError:
            raise
        except Exception as error:  # of a dozen types, none of them documented
            said = " ".join(str(error).split())
            raise SparsightError(f"{path!r} is damaged, cut off or no .parquet file ({said})") from None
        self._hold(base, Schema(n_inputs=base.shape[1]))

    def _what(self) -> str:
        return self.path

    @classmethod
    def opens(cls, path: str) -> dict[str, str] | None:
        if Path(path).suffix.lower() != ".parquet" or not Path(path).is_file():
            return None
        try:
            import pyarrow.parquet as pq

            found = len(_lists(pq.read_schema(path))) == 1
        except Exception:  # not installed, or no Parquet: another source may say what is wrong
            return None
        return {"path": path} if found else None


def _lists(schema: Any) -> list[str]:
    import pyarrow.types as types

    kinds = (types.is_list, types.is_large_list, types.is_fixed_size_list)
    return [field.name for field in schema if any(kind(field.type) for kind in kinds)]


def _chosen(schema: Any, column: str | None, path: str) -> str:
    lists = _lists(schema)
    if column is None and len(lists) == 1:
        return lists[0]
    if column not in lists:
        asked = "give a column" if column is None else f"{column!r} is none of them"
        raise SparsightError(f"columns of vectors in {path!r}: {', '.join(lists) or 'none'}; {asked}")
    assert column is not None
    return column


def _vectors(file: Any, column: str, path: str) -> np.ndarray:
    """The column, filled group by group, so that no second copy is in memory."""
    base, done = np.empty((0, 0), np.float32), 0
    for group in file.iter_batches(columns=[column]):
        lists = group.column(0)
        lengths = set(lists.value_lengths().to_pylist())
        values = lists.flatten().to_numpy(zero_copy_only=False)
        if None in lengths or len(lengths) != 1 or values.dtype.kind not in "fiub":
            raise SparsightError(f"the column {column!r} of {path!r} has rows that are no numbers of one length")
        rows = values.reshape(len(lists), -1)
        if not done:
            base = np.empty((file.metadata.num_rows, rows.shape[1]), rows.dtype)
        if rows.shape[1] != base.shape[1]:
            raise SparsightError(
                f"the column {column!r} of {path!r} has a row of {rows.shape[1]} numbers, and the first has "
                f"{base.shape[1]}: give each the same"
            )
        base[done : done + len(rows)] = rows
        done += len(rows)
    return base
