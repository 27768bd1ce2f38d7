"""D04: a divergence of codes that are no probabilities."""

from sparsight.core import Finding, Number
from sparsight.rules._rule import Case, Rule
from sparsight.spec import register


@register("rule", "penalty-out-of-range")
class PenaltyOutOfRange(Rule):
    """A divergence holds the codes at a mean activity, and codes are negative or above 1, where it has no meaning.

    Args:
        slack: how far beyond is rounding.
    """

    id, stage, needs = "D04", 2, ("look", "target")
    explains = ("target-missed", "penalty-per-activation", "half-a-divergence", "dense", "dead", "noise-filters")
    cause = "KL(ρ ‖ q) needs 0 < q < 1, and the activation is no sigmoid: its logarithms are NaN, or clamped and dumb."
    fix = "Use sigmoid codes, or (tanh + 1) / 2; with ReLU take an L1 penalty or keep the k largest codes."

    def __init__(self, *, slack: float = 1e-3) -> None:
        self.slack = slack

    def __call__(self, case: Case) -> Finding | None:
        look = case.look
        assert look is not None
        if look.low >= -self.slack and look.high <= 1 + self.slack:
            return None
        low, high = f"{look.low:.3g}", f"{look.high:.3g}"
        said = f"codes go from {low} to {high}, and a divergence from {case.target:g} needs them in (0, 1)"
        return self.find(
            "red",
            said,
            Number(name="lowest code", value=look.low, limit=0),
            Number(name="highest code", value=look.high, limit=1),
        )
