"""The atlas: facts about every feature, a column per measure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sparsight.errors import SparsightError

Cost = Literal["streamed", "sampled", "weights", "fitted"]


@dataclass(frozen=True, kw_only=True)
class Column:
    """One measure of every feature.

    Costs: `streamed` in one pass over all samples; `sampled` from some of them; `weights` alone are needed; `fitted` by
    an optimiser, and so only for some features where there are many.
    """

    name: str
    values: np.ndarray  # [F] or [F, n]; NaN or −1 where there is nothing
    cost: Cost
    about: str
    """The formula."""
    null: float | None = None
    """What chance gives."""
    seen: int = 0
    """How many samples, or for fitted columns features, it rests on."""


class Atlas:
    """Columns by name, in memory or mapped from files, and figures of the whole.

    `atlas["rate"]` are the values of a column, `atlas.columns["rate"]` is all that is known of it.

    Args:
        columns: of equal length.
        figures: what is one number for all features, with its name.
        samples: of what the samples were: their number, and the hash of the data.
    """

    def __init__(self, columns: Mapping[str, Column], figures: Mapping[str, float], samples: Mapping[str, Any]) -> None:
        self.columns, self.figures, self.samples = dict(columns), dict(figures), dict(samples)

    def __len__(self) -> int:
        """The number of features."""
        return len(next(iter(self.columns.values())).values)

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.columns:
            raise SparsightError(f"the atlas has no column {name!r}; there is: {', '.join(sorted(self.columns))}")
        return self.columns[name].values

    def numbers(self) -> dict[str, Column]:
        """The columns with one number per feature: what tables show and grids are sorted by."""
        return {name: column for name, column in self.columns.items() if column.values.ndim == 1}

    def save(self, folder: Path) -> None:
        """Write `atlas.json`, and a `.npy` file for every column."""
        folder.mkdir()
        about = [{k: v for k, v in vars(column).items() if k != "values"} for column in self.columns.values()]
        for column in self.columns.values():
            np.save(folder / f"{column.name}.npy", column.values, allow_pickle=False)
        content = {"columns": about, "figures": self.figures, "samples": self.samples}
        (folder / "atlas.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def open(cls, folder: Path) -> "Atlas":
        """Map what `save` wrote; columns are read when they are looked at.

        Raises:
            SparsightError: a file is missing or damaged.
        """
        try:
            content = json.loads((folder / "atlas.json").read_text(encoding="utf-8"))
            columns = {
                about["name"]: Column(values=np.load(folder / f"{about['name']}.npy", mmap_mode="r"), **about)
                for about in content["columns"]
            }
            if len({len(column.values) for column in columns.values()}) != 1:
                raise ValueError("its columns are not of one length")
            return cls(columns, content["figures"], content["samples"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SparsightError(f"the atlas {str(folder)!r} is damaged ({error}): make it anew") from None
