"""Evidence: what was claimed of a run, beside its null, and which features are real."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One thing that can be said of a run, and whether it is so."""

    name: str
    said: str
    """One sentence."""
    value: float | None = None
    low: float | None = None
    """Of its interval of 95 %."""
    high: float | None = None
    null: float | None = None
    """What chance gives, or a model of data that hold nothing."""
    holds: bool
    numbers: dict[str, Any] = field(default_factory=dict)
    """All that it rests on, as JSON has it."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The claims of a run, and facts about its features."""

    claims: tuple[Claim, ...]
    columns: dict[str, np.ndarray]
    """One number per feature, [F], such as `stability`; `real` is a bool. NaN where it is not known."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Claims that cannot be made of such a run, and why."""
    rests_on: dict[str, Any] = field(default_factory=dict)
    """How many samples and trainings, and hashes of the data and the weights."""
    seconds: float = 0.0

    def __getitem__(self, name: str) -> Claim:
        """A claim by its name; KeyError where it was not made."""
        return {claim.name: claim for claim in self.claims}[name]

    def __contains__(self, name: object) -> bool:
        return any(claim.name == name for claim in self.claims)

    def record(self) -> dict[str, Any]:
        """As plain values; numbers per feature to four digits."""
        return {
            "claims": [asdict(claim) for claim in self.claims],
            "left_out": self.left_out,
            "columns": {name: plain(values) for name, values in self.columns.items()},
            "rests_on": self.rests_on,
            "seconds": self.seconds,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Evidence":
        """What `record` gave.

        Raises:
            KeyError, TypeError: it is something else.
        """
        claims = tuple(Claim(**each) for each in record["claims"])
        columns = {name: column(values) for name, values in record["columns"].items()}
        return cls(**{**record, "claims": claims, "columns": columns})


def plain(values: np.ndarray) -> list[Any]:
    """A column as JSON has it: bools, or numbers to four digits and None in place of NaN."""
    if values.dtype == bool:
        return values.tolist()
    return [float(f"{v:.4g}") if np.isfinite(v) else None for v in values.tolist()]


def column(values: list[Any]) -> np.ndarray:
    """What `plain` gave, as an array."""
    if values and all(isinstance(v, bool) for v in values):
        return np.array(values, bool)
    return np.array([np.nan if v is None else v for v in values], np.float64)


class Watcher(Protocol):
    """What hears how far verification is."""

    def on_plan(self, trainings: int, seconds: float, /) -> None:
        """So many trainings are to be done, and they will take about so long."""

    def on_progress(self, done: float, total: float, said: str, /) -> None:
        """`done` of `total` trainings, and what is under way."""
