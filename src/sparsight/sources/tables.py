"""Tables with named columns."""

import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from sparsight.core import Schema, Source
from sparsight.errors import SparsightError
from sparsight.sources import _given
from sparsight.sources._arrow import read_arrow
from sparsight.sources._columns import Asked, Column, encoded
from sparsight.sources._csv import SEPARATOR, read_csv
from sparsight.sources._rows import Rows
from sparsight.spec import register

SUFFIXES = (*SEPARATOR, ".parquet")
Names = list[str]


@register("source", "tables")
class Tables(Rows):
    """Tables with named columns: `.csv`, `.tsv`, `.parquet`, or data frames of pandas, polars or Arrow in memory.

    Numbers are as they are, true is 1 and false 0, and a column of words becomes one input for each: `colour=red` is 1
    where the colour is red and else 0. Dates are refused.

    A value that stands for a missing one is found in the rows that are trained on alone: where some are held out, they
    have no part in it.

    Args:
        path: the file. The first line of text names the columns, unless there are only numbers in it. Missing is what
            is empty, NA, N/A, NaN or null.
        data: in its place a data frame or an Arrow table. No recipe can hold it.
        label: the column of labels, which is no input.
        weight: the column of weights, which is no input; they are divided by their mean.
        group: a column, which is no input, of what rows stay together when some are held out, such as a patient.
        leave_out: columns that are not read.
        categories: columns of words, though they look like numbers; with their words in order, {"size": ["S", "M"]},
            where another table is to have the same inputs.
        most_categories: how many one column may have.
        missing: `refuse` it; or put the `mean`, the `median` or 0 (`zero`) in its place. For a column of words these
            are the share of each, the most frequent, and none of them.
    """

    def __init__(
        self,
        *,
        path: str | None = None,
        data: Any = None,
        label: str | None = None,
        weight: str | None = None,
        group: str | None = None,
        leave_out: Names | None = None,
        categories: Names | dict[str, Names] | None = None,
        most_categories: Annotated[int, Field(ge=2)] = 50,
        missing: Literal["refuse", "mean", "median", "zero"] = "refuse",
    ) -> None:
        if (path is None) == (data is None):
            raise SparsightError("tables takes a path or a table in memory: give one of the two")
        self.path, self.missing = path, missing
        named = tuple(name for name in (label, group) if name is not None)
        asked = Asked(what=self._what(), words={*(categories or ()), *named}, leave_out=set(leave_out or ()))
        columns = {column.name: column for column in self._read(data, asked, weight)}
        labels, groups = (None if name is None else columns.pop(name) for name in (label, group))
        weights = None if weight is None else columns.pop(weight)
        if groups is not None and groups.missing.any():
            raise SparsightError(
                f"column {group!r} of {self._what()} lacks {groups.missing.sum()} values: fill them in"
            )
        if weights is not None and weights.levels is not None:
            raise SparsightError(f"column {weight!r} of {self._what()} holds words: weights are numbers")
        if missing == "refuse":
            self._refuse_gaps([*columns.values(), *([] if weights is None else [weights])])
        given = categories if isinstance(categories, dict) else {}
        parts = [
            encoded(column, given.get(name), most_categories, self._what(), category=name in (categories or ()))
            for name, column in columns.items()
        ]
        base = np.concatenate([numbers for _, numbers in parts], 1) if parts else np.empty((1, 0))
        self._hold(
            torch.from_numpy(np.ascontiguousarray(base, np.float32)),
            Schema(
                n_inputs=base.shape[1],
                names=tuple(name for names, _ in parts for name in names),
                classes=None if labels is None else labels.levels,
            ),
            labels=None if labels is None else torch.from_numpy(labels.values),
            weight=None if weights is None else _given.weights(weights.values),
            groups=None if groups is None else torch.from_numpy(groups.values),
        )
        ends = np.cumsum([numbers.shape[1] for _, numbers in parts])
        spans = zip(columns.values(), parts, ends, strict=True)
        self._gaps = {
            column.name: slice(int(end) - part[1].shape[1], int(end))
            for column, part, end in spans
            if column.missing.any()
        }
        self._stand_in: Tensor | None = None
        if self._gaps:
            lacking = sum(int(columns[name].missing.sum()) for name in self._gaps)
            self.notes = (f"{self._what()}: the {missing} is in the place of {lacking} missing values",)
            self._fit()

    def _read(self, data: Any, asked: Asked, weight: str | None) -> list[Column]:
        if self.path is None:
            return read_arrow(data, asked, weight)
        path = Path(self.path)
        if not path.is_file():
            raise SparsightError(f"there is no file {self.path!r}")
        if path.suffix.lower() not in SUFFIXES:
            raise SparsightError(f"{self.path!r} cannot be read: these tables can, {', '.join(SUFFIXES)}")
        if not path.stat().st_size:
            raise SparsightError(f"{self.path!r} is empty")
        read = read_csv if path.suffix.lower() in SEPARATOR else read_arrow
        try:
            return read(path, asked, weight)
        except SparsightError:
            raise
        except Exception as error:  # over damaged bytes the readers raise a dozen types, none of them documented
            said = " ".join(str(error).split())
            raise SparsightError(f"{self.path!r} is damaged, cut off or no {path.suffix} file ({said})") from None

    def _what(self) -> str:
        return "the table" if self.path is None else repr(self.path)

    @classmethod
    def opens(cls, path: str) -> dict[str, str] | None:
        return {"path": path} if Path(path).suffix.lower() in SUFFIXES and Path(path).is_file() else None

    def _refuse_gaps(self, columns: list[Column]) -> None:
        lacking = {column.name: int(column.missing.sum()) for column in columns if column.missing.any()}
        if not lacking:
            return
        said = ", ".join(f"{n} in {name!r}" for name, n in list(lacking.items())[:5])
        first = next((column.gap for column in columns if column.name in lacking and column.gap), "")
        raise SparsightError(
            f"{self._what()} lacks {sum(lacking.values())} values ({said}{', ...' if len(lacking) > 5 else ''}"
            f"{f'; the first in {first}' if first else ''}): fill them in, leave those rows or columns out, or set "
            "missing to mean, median or zero"
        )

    def gather(self, ids: Tensor) -> Tensor:
        rows = super().gather(ids)
        return rows if self._stand_in is None else torch.where(rows.isnan(), self._stand_in, rows)

    def split(self, fraction: float, seed: int) -> tuple[Source, Source | None]:
        """Set some rows aside; what stands for missing values in both parts is found in the rest alone."""
        kept, held = super().split(fraction, seed)
        if self._gaps and isinstance(held, Tables) and isinstance(kept, Tables):
            kept._fit()
            held._stand_in = kept._stand_in
        return kept, held

    def _fit(self) -> None:
        """Find what stands for missing values, [D], in the rows of this source."""
        found = torch.zeros(self.schema.n_inputs)
        for name, span in self._gaps.items():
            rows = self.base[:, span] if self.order is None else self.base[self.order, span]
            known = ~rows[:, 0].isnan()
            if not known.any() and self.missing != "zero":
                raise SparsightError(f"column {name!r} of {self._what()} has no value at all: leave it out")
            weight = torch.ones(len(rows)) if self._weight is None else self._weight
            if self.missing != "zero":
                found[span] = _typical(rows[known].double(), weight[known].double(), self.missing == "mean")
        self._stand_in = found

    def _hash(self) -> str:
        """That of the rows, and of what stands for missing values."""
        if self._stand_in is None:
            return super()._hash()
        return hashlib.sha256(super()._hash().encode() + self._stand_in.numpy().tobytes()).hexdigest()


def _typical(rows: Tensor, weight: Tensor, mean: bool) -> Tensor:
    """The mean of known values, [n, m]; or the lower median, which for categories is the commonest."""
    average = weight @ rows / weight.sum()
    if mean:
        return average.float()
    if rows.shape[1] > 1:
        return torch.nn.functional.one_hot(average.argmax(), len(average)).float()
    ordered, order = rows[:, 0].sort()
    reached = weight[order].cumsum(0) >= weight.sum() / 2
    return ordered[reached.float().argmax()].float()
