"""Tables as Arrow has them: Parquet files, and data frames of pandas, polars and others in memory."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sparsight.errors import SparsightError
from sparsight.sources._columns import Asked, Column, in_order

INDEX = "__index_level_"
"""How pandas names an index that it writes into a Parquet file."""


def read_arrow(given: Any, asked: Asked, *others: str | None) -> list[Column]:
    """The columns of a Parquet file, or of anything in memory that speaks Arrow's C interface.

    Raises:
        SparsightError: pyarrow is missing, it is no table, or a column holds dates or things that are no numbers.
    """
    try:
        import pyarrow as pa
    except ImportError:
        raise SparsightError(
            "Parquet files and data frames need pyarrow: pip install 'sparsight[tables]'; a .csv is read without"
        ) from None
    if isinstance(given, Path):
        from pyarrow import parquet

        with parquet.ParquetFile(given) as file:
            return _columns(pa, file.schema_arrow.names, file.read, asked, others)
    if hasattr(given, "iloc"):  # an index of pandas is no column
        given = given.reset_index(drop=True)
        given.columns = [str(name) for name in given.columns]
        return _columns(pa, list(given.columns), partial(_of_pandas, pa, given, asked.what), asked, others)
    if not hasattr(given, "__arrow_c_stream__"):
        raise SparsightError(
            f"the table is of type {type(given).__name__}: give a data frame, an Arrow table or the path of a file; "
            "arrays are for the source `arrays`"
        )
    table = pa.table(given)
    return _columns(pa, table.column_names, table.select, asked, others)


def _columns(
    pa: Any, names: list[str], read: Callable[[list[str]], Any], asked: Asked, others: tuple[str | None, ...]
) -> list[Column]:
    names = [name for name in names if not name.startswith(INDEX)]
    asked.check(names, others)
    names = [name for name in names if name not in asked.leave_out]
    columns = zip(names, read(names).columns, strict=True)
    return [_column(pa, name, column, asked) for name, column in columns]


def _of_pandas(pa: Any, frame: Any, what: str, names: list[str]) -> Any:
    try:
        return pa.table(frame[names])
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        said = "; ".join(" ".join(str(part).split()) for part in reversed(error.args))
        raise SparsightError(
            f"a column of {what} holds values of different types ({said}): make them one, or leave the column out"
        ) from None


def _column(pa: Any, name: str, values: Any, asked: Asked) -> Column:
    kind, is_a = values.type, pa.types
    if is_a.is_temporal(kind):
        raise SparsightError(
            f"column {name!r} of {asked.what} holds dates or times ({kind}): make them numbers, such as days since the "
            "first, or leave the column out"
        )
    if is_a.is_null(kind):
        return Column(name, *((np.full(len(values), -1), ()) if name in asked.words else (_nothing(len(values)), None)))
    number = is_a.is_boolean(kind) or is_a.is_integer(kind) or is_a.is_floating(kind)
    text = is_a.is_string(kind) or is_a.is_large_string(kind) or is_a.is_string_view(kind)
    if is_a.is_dictionary(kind) or text or (number and name in asked.words):
        return _of_words(pa, name, values.cast(pa.large_string()) if text else values)
    if number or is_a.is_decimal(kind):
        values = values.cast(pa.int8()) if is_a.is_boolean(kind) else values
        numbers = values.cast(pa.float64(), safe=False).to_numpy()
        with np.errstate(over="ignore"):  # beyond float32 is infinite, which the trainer refuses
            return Column(name, numbers.astype(np.float32))
    raise SparsightError(
        f"column {name!r} of {asked.what} holds values of type {kind}: make them numbers, or leave the column out"
    )


def _nothing(n: int) -> np.ndarray:
    return np.full(n, np.nan, np.float32)


def _of_words(pa: Any, name: str, values: Any) -> Column:
    """A column of categories, which keep the order that their type has; other words are sorted."""
    ordered = pa.types.is_dictionary(values.type)
    found = (values.unify_dictionaries() if ordered else values.dictionary_encode()).combine_chunks()
    found = found.chunk(0) if isinstance(found, pa.ChunkedArray) else found
    places = found.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    words = [_word(value) for value in found.dictionary.to_pylist()]
    levels = words if ordered else in_order({word for word in words if word})
    place = {level: n for n, level in enumerate(levels) if level}
    moved = np.array([*(place.get(word, -1) for word in words), -1], np.int64)
    return Column(name, moved[places], tuple(levels))


def _word(value: Any) -> str:
    """A value as the name of a category; empty where it is missing."""
    if value is None or value != value:
        return ""
    return f"{value:g}" if isinstance(value, float) and value.is_integer() else str(value).strip()
