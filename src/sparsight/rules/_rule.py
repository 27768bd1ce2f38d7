"""What a rule is, and what it sees."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from sparsight.core import Finding, Logged, Number, Severity, Term
from sparsight.rules._look import Look
from sparsight.spec import describe

KNOBS = {"l2": "decay", "codes_l1": "l1", "gate_l1": "l1", "sites_l1": "l1"}
"""The architecture's argument that is the weight of a term of another name."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """All that is known of a model; what is not known is None, and rules that need it are not asked."""

    look: Look | None = None
    """Measured on held-out samples, where some are known to be that."""
    seen: Look | None = None
    """Measured on samples that it was trained on."""
    again: Look | None = None
    """The same model, trained with another seed, on the samples of `look`."""
    recipe: Mapping[str, Any] | None = None
    """Complete."""
    terms: Mapping[str, Term] | None = None
    log: Sequence[Logged] | None = None
    target: float | None = None
    """The mean activity that a divergence was to hold each feature at."""
    batch_size: int | None = None
    noise: float | None = None
    """The deviation of the noise on each input, in the units of the samples."""
    dead: int | None = None
    """Features that were dead when training ended."""
    stability: float | None = None
    """Mean cosine of each feature to its match in other trainings."""
    ordered: bool = False
    """Whether samples are in the order in which they were trained on, for all that is known."""

    @property
    def sparsifying(self) -> dict[str, Term]:
        """The terms that are there to make codes sparse."""
        return {name: term for name, term in (self.terms or {}).items() if term.sparsifies and term.weight}

    def reweighted(self, name: str, weight: float) -> list[str]:
        """The change of the recipe that gives a term this weight; none where the recipe does not say it."""
        recipe = self.recipe or {"architecture": {}}
        if name in recipe.get("terms", {}):
            return [f'terms."{name}".weight={weight:.3g}' if "." in name else f"terms.{name}.weight={weight:.3g}"]
        knob = KNOBS.get(name, name)
        return [f"architecture.{knob}={weight:.3g}"] if recipe["architecture"].get(knob) is not None else []


class Rule(ABC):
    """One fault: how it is recognised, what causes it, how it is mended."""

    id: ClassVar[str]
    stage: ClassVar[int]
    """Where the fault lies: 0 numbers, 1 data, 2 objective, 3 training, 4 codes, 5 looks."""
    needs: ClassVar[tuple[str, ...]] = ("look",)
    """The attributes of a `Case` that must be known."""
    explains: ClassVar[tuple[str, ...]] = ()
    """Rules whose findings may be mere effects of this one's."""
    cause: ClassVar[str]
    fix: ClassVar[str]

    @abstractmethod
    def __call__(self, case: Case) -> Finding | None:
        """What is wrong; None: nothing."""

    def find(
        self,
        severity: Severity,
        said: str,
        *numbers: Number,
        cause: str | None = None,
        fix: str | None = None,
        changes: Sequence[str] = (),
        features: Tensor | None = None,
    ) -> Finding:
        """A finding of this rule."""
        return Finding(
            rule=describe(self)["name"],
            id=self.id,
            severity=severity,
            said=said,
            numbers=numbers,
            cause=cause or self.cause,
            fix=fix or self.fix,
            changes=tuple(changes),
            features=() if features is None else tuple(features.tolist()[:100]),
        )
