"""D06: nothing is rebuilt, since penalties weigh more."""

import torch

from sparsight.core import Finding, Number
from sparsight.rules._rule import Case, Rule
from sparsight.spec import register

PAIRS = 512
SPREAD = 0.3
"""The deviation of reconstructions, as a share of that of targets, below which they are one."""


@register("rule", "penalty-dominates")
class PenaltyDominates(Rule):
    """Every reconstruction is the same: the unexplained share of the variance is near 1, and they hardly differ.

    Σ‖target − recon‖² / Σ‖target − mean‖², and √(Var recon / Var target).

    Args:
        unexplained: the share from which hardly anything is rebuilt.
        nothing: and from which nothing is.
        spread: the deviation of reconstructions, as a share of that of targets, below which they are one.
    """

    id, stage = "D06", 3
    explains = (
        "dead",
        "dense",
        "target-missed",
        "penalty-too-weak",
        "noise-filters",
        "duplicates",
        "frozen-inputs",
        "unstable",
    )
    cause = "The sparsity penalty or the weight decay is so strong that a constant answer is cheapest."
    fix = "Take a tenth of the strongest penalty, or raise it from 0 during training."

    def __init__(self, *, unexplained: float = 0.9, nothing: float = 0.95, spread: float = SPREAD) -> None:
        self.unexplained, self.nothing, self.spread = unexplained, nothing, spread

    def __call__(self, case: Case) -> Finding | None:
        look = case.look
        assert look is not None
        left = look.unexplained
        if left is None or look.recon is None or left < self.unexplained:
            return None
        if look.spread > self.spread:
            return None
        about = "Σ‖target − recon‖² / Σ‖target − mean‖²"
        numbers = (
            Number(name="unexplained", value=left, limit=self.unexplained, null=1.0, about=about),
            Number(
                name="spread of reconstructions",
                value=look.spread,
                limit=self.spread,
                null=0.0,
                about="√(Var recon / Var target)",
            ),
            Number(
                name="cosine of reconstructions", value=_alike(look.recon), about="mean cosine of two reconstructions"
            ),
        )
        said = f"every reconstruction is nearly the same picture of the mean: {left:.0%} of the variance is left"
        return self.find("red" if left >= self.nothing else "amber", said, *numbers, changes=_weaker(case))


def _alike(recon: torch.Tensor) -> float:
    some = torch.nn.functional.normalize(recon[:PAIRS], dim=1)
    n = len(some)
    return float(((some @ some.T).sum() - n) / (n * (n - 1))) if n > 1 else 1.0


def _weaker(case: Case) -> list[str]:
    """A tenth of what has the largest share in the loss beside the error."""
    if not case.log or case.terms is None:
        return []
    last = case.log[-1].terms
    errors = {name for name, term in case.terms.items() if term.needs & {"recon", "logits"}}
    penalties = {name: term["loss"] for name, term in last.items() if name not in errors}
    if not penalties:
        return []
    name = max(penalties, key=lambda each: penalties[each])
    return case.reweighted(name, last[name]["weight"] / 10)
