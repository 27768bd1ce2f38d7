"""Tables as text."""

import csv
import math
import re
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sparsight.errors import SparsightError
from sparsight.sources._columns import Asked, Column, in_order

MISSING = {"", "na", "n/a", "nan", "null"}
"""What stands for a value that is not there, in small letters."""
DATE = re.compile(r"\d{4}-\d\d?-\d\d?([T ].*)?|\d\d?[./]\d\d?[./](\d\d)?\d\d([T ].*)?|\d\d?:\d\d(:\d\d.*)?")
SEPARATOR = {".csv": ",", ".tsv": "\t"}


def read_csv(path: Path, asked: Asked, *others: str | None) -> list[Column]:
    """The columns of a file whose first line names them, unless there are only numbers and gaps in it.

    A column holds numbers or words: its first value that is not missing says which.

    Raises:
        SparsightError: lines of different lengths, words among numbers, numbers among words, dates; the line and the
            column are named.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        lines = _lines(file, SEPARATOR[path.suffix.lower()])
        first = next(lines, None)
        if first is None:
            raise SparsightError(f"{str(path)!r} is empty")
        header = [cell.strip() for cell in first[1]]
        named = any(not _missing(cell) and _number(cell) is None for cell in header)
        names = [cell if named and cell else f"column {n}" for n, cell in enumerate(header)]
        asked.check(names, others)
        columns = [None if name in asked.leave_out else _Cells(name, asked) for name in names]
        if not named:
            _add(columns, *first, asked.what)
        for line, cells in lines:
            _add(columns, line, cells, asked.what)
    return [column.done() for column in columns if column is not None]


def _lines(file: Any, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not blank, with the line it ends on, as editors count."""
    rows = csv.reader(file, delimiter=separator)
    yield from ((rows.line_num, cells) for cells in rows if cells)


def _add(columns: list["_Cells | None"], line: int, cells: list[str], what: str) -> None:
    if len(cells) != len(columns):
        raise SparsightError(f"line {line} of {what} has {len(cells)} values and not {len(columns)}")
    for column, cell in zip(columns, cells, strict=True):
        if column is not None:
            column.add(line, cell)


class _Cells:
    """The cells of one column, as they come: the text of a large table is many times the size of its numbers."""

    def __init__(self, name: str, asked: Asked) -> None:
        self.name, self.asked = name, asked
        self.values = array("f")  # or places among `levels`; NaN: missing
        self.levels: dict[str, int] = {}
        self.gap = (-1, "")  # the row and the line of the first cell without a value
        self.anything = name in asked.words
        self.read: Callable[[str], float] | None = self.levels.__getitem__ if self.anything else None

    def add(self, line: int, cell: str) -> None:
        try:
            if self.read is not None:
                self.values.append(self.read(cell))
                return
        except (ValueError, KeyError):
            pass
        self.values.append(self._new(line, cell.strip()))

    def _new(self, line: int, cell: str) -> float:
        """What no cell before was: missing, the first of its column, another word, or a mistake."""
        if _missing(cell):
            self.gap = self.gap if self.gap[1] else (len(self.values), f"line {line}")
            return math.nan
        number = None if self.anything else _number(cell)
        if self.read is None:
            self.read = float if number is not None else self.levels.__getitem__
        if self.read is float:
            if number is None:
                raise self._mistake(line, f"{cell!r} is no number, as those before are: mend it")
            return number
        if number is not None:
            raise self._mistake(line, f"{cell!r} is a number where there were words before: mend it")
        if not self.anything and DATE.fullmatch(cell):
            raise self._mistake(line, f"{cell!r} is a date or a time: make it a number, such as days since the first")
        return self.levels.setdefault(cell, len(self.levels))

    def _mistake(self, line: int, said: str) -> SparsightError:
        return SparsightError(
            f"line {line}, column {self.name!r} of {self.asked.what}: {said}, leave the column out, "
            "or name it in categories"
        )

    def done(self) -> Column:
        values = np.frombuffer(self.values, np.float32)
        row, line = self.gap
        gap = line if line and not np.isnan(values[:row]).any() else ""  # "nan" may have been read as a number before
        if self.read is None or self.read is float:
            return Column(self.name, values, gap=gap)
        levels = in_order(self.levels)
        place = {level: n for n, level in enumerate(levels)}
        moved = np.array([*(place[level] for level in self.levels), -1], np.int64)
        return Column(self.name, moved[np.nan_to_num(values, nan=-1).astype(np.int64)], tuple(levels), gap)


def _missing(cell: str) -> bool:
    return cell.strip().casefold() in MISSING


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None
