"""Columns of a table, and how they become numbers."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from sparsight.errors import SparsightError, did_you_mean

TRUE = {"false": 0.0, "true": 1.0}


@dataclass(frozen=True)
class Column:
    """Numbers, NaN where one is missing; or where there are `levels` the place of each word among them, or −1."""

    name: str
    values: np.ndarray  # [N], float32, or int64
    levels: tuple[str, ...] | None = None
    gap: str = ""
    """Where the first missing value is, as people count, if that is known."""

    @property
    def missing(self) -> np.ndarray:
        """[N], bool."""
        return np.isnan(self.values) if self.levels is None else self.values < 0


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be read of a table."""

    what: str
    """What people call it."""
    words: Collection[str]
    """Columns whose values are names, whatever they look like."""
    leave_out: Collection[str]

    def check(self, columns: Iterable[str], others: Iterable[str | None]) -> None:
        """Refuse names twice, and names that were asked for and are not there."""
        columns = list(columns)
        seen: set[str] = set()
        for name in columns:
            if name in seen:
                raise SparsightError(f"{self.what} has two columns named {name!r}: rename one")
            seen.add(name)
        for name in (*self.words, *self.leave_out, *(name for name in others if name is not None)):
            if name not in seen:
                raise SparsightError(f"{self.what} has no column {name!r}; {did_you_mean(name, columns)}")


def in_order(levels: Iterable[str]) -> list[str]:
    """Words as people sort them: by number where all are numbers."""
    levels = sorted(levels)
    try:
        return sorted(levels, key=float)
    except ValueError:
        return levels


def encoded(
    column: Column, given: list[str] | None, most: int, what: str, *, category: bool
) -> tuple[list[str], np.ndarray]:
    """The names and numbers, [N, m], of a column: itself, or 1 for each category and 0 for all others; NaN: missing.

    Args:
        column: read from a table.
        given: its categories; None: those that are in it.
        most: how many there may be.
        what: people call the table.
        category: true and false are two of them, too; else they are 1 and 0.

    Raises:
        SparsightError: more categories, or others than were given.
    """
    if column.levels is None:
        return [column.name], column.values[:, None]
    levels, places = column.levels, column.values
    if not category and {level.casefold() for level in levels} <= set(TRUE):
        as_number = np.array([*(TRUE[level.casefold()] for level in levels), np.nan], np.float32)  # −1 is the last
        return [column.name], as_number[places][:, None]
    if given is not None:
        strange = [level for level in levels if level not in given]
        if strange:
            raise SparsightError(
                f"column {column.name!r} of {what} has {strange[0]!r}, which is none of the categories "
                f"{', '.join(given)}: add it to them, or leave those rows out"
            )
        moved = np.array([*(given.index(level) for level in levels), -1], np.int64)
        levels, places = tuple(given), moved[places]
    if len(levels) > most:
        raise SparsightError(
            f"column {column.name!r} of {what} has {len(levels):,} categories, such as {levels[0]!r}, each an input: "
            f"leave the column out, join the rare ones, or set most_categories, which is {most}"
        )
    table = np.eye(len(levels) + 1, len(levels), dtype=np.float32)
    table[-1] = np.nan
    return [f"{column.name}={level}" for level in levels], table[places]
