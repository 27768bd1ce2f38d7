"""D05: one half of the divergence."""

from sparsight.core import Finding, Number
from sparsight.rules._rule import Case, Rule
from sparsight.spec import register


@register("rule", "half-a-divergence")
class HalfADivergence(Rule):
    """The mean activity runs away from its target, to 0 or towards 1, as where half of the divergence is missing.

    ρ log(ρ/q) alone falls with q and drives it to 1; (1 − ρ) log((1 − ρ)/(1 − q)) alone drives it to 0. A sigmoid unit
    that has learned nothing has a mean of .5, so a weak penalty does not explain what is beyond.

    Args:
        low: the share of the target below which the mean has collapsed.
        high: the mean activity above which it was driven up.
    """

    id, stage, needs = "D05", 2, ("look", "target")
    explains = (
        "target-missed",
        "dead",
        "dense",
        "identity",
        "noise-filters",
        "penalty-dominates",
        "penalty-per-activation",
        "not-learning",
        "duplicates",
    )
    cause = "One summand of KL(ρ ‖ q) = ρ log(ρ/q) + (1 − ρ) log((1 − ρ)/(1 − q)) is missing, or its sign is turned."
    fix = "Write both summands; at q = ρ their sum is 0 and has no slope."

    def __init__(self, *, low: float = 0.1, high: float = 0.65) -> None:
        self.low, self.high = low, high

    def __call__(self, case: Case) -> Finding | None:
        look, target = case.look, case.target
        assert look is not None and target is not None
        mean = float(look.mean.median())
        if case.terms is not None or not look.unit or self.low * target <= mean <= max(self.high, 2 * target):
            return None
        where = "collapsed" if mean < target else "was driven up"
        said = f"the mean activity {where} to {mean:.2g}, where {target:g} was asked for"
        limit = self.low * target if mean < target else self.high
        return self.find("red", said, Number(name="median mean activity", value=mean, limit=limit, null=0.5))
