"""Findings: what is wrong, why, and what to do."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["red", "amber"]


@dataclass(frozen=True, kw_only=True)
class Number:
    """One of the numbers that a finding rests on."""

    name: str
    value: float
    limit: float | None = None
    """Where the finding begins."""
    null: float | None = None
    """What chance gives, or a model that has learned nothing."""
    about: str = ""
    """The formula."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong."""

    rule: str
    """The name of the rule, and of its page in the docs."""
    id: str
    """Its number, such as D10."""
    severity: Severity
    said: str
    """One sentence: what is wrong here."""
    numbers: tuple[Number, ...] = ()
    cause: str
    fix: str
    changes: tuple[str, ...] = ()
    """The same fix as changes of a recipe, such as `architecture.kl=3.0`."""
    features: tuple[int, ...] = ()
    """Those concerned, the worst first."""

    @property
    def page(self) -> str:
        """Where the docs explain it."""
        return f"faults/{self.rule}.md"

    def record(self) -> dict[str, Any]:
        """As plain values."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Finding":
        """What `record` gave.

        Raises:
            KeyError, TypeError: it is something else.
        """
        known: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in record.items()}
        return cls(**{**known, "numbers": tuple(Number(**each) for each in known["numbers"])})
