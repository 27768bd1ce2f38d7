"""D30: a linear output for ink."""

from sparsight.core import Finding, Number
from sparsight.meters.moments import precise
from sparsight.rules._rule import Case, Rule
from sparsight.spec import register

SLACK = 0.02


@register("rule", "linear-output")
class LinearOutput(Rule):
    """Data lie at the ends of their range, as ink does, and sigmoid units with a linear output go beyond them.

    Args:
        ends: the share of the values of the data at their lowest or highest.
        beyond: the share of reconstructed values outside of the range of the data.
    """

    id, stage = "D30", 5
    cause = "Codes must explain what a sigmoid output would cut off, and filters become rougher for it."
    fix = "Use a sigmoid output for data in [0, 1]."

    def __init__(self, *, ends: float = 0.5, beyond: float = 0.04) -> None:
        self.ends, self.beyond = ends, beyond

    def __call__(self, case: Case) -> Finding | None:
        look = case.look
        assert look is not None
        if look.recon is None or not look.unit:
            return None
        target, recon = precise(look.target), look.recon
        low, high = float(target.min()), float(target.max())
        if low < 0 or high > 1:
            return None
        at_ends = float(((target - low < SLACK) | (high - target < SLACK)).double().mean())
        beyond = float(((recon < low - SLACK) | (recon > high + SLACK)).double().mean())
        if at_ends < self.ends or beyond < self.beyond:
            return None
        said = (
            f"{at_ends:.0%} of the values are at {low:g} or {high:g}, and the linear output goes beyond them in "
            f"{beyond:.0%} of what it rebuilds"
        )
        number = Number(name="reconstructed values out of range", value=beyond, limit=self.beyond, null=0.0)
        return self.find("amber", said, number, changes=["output=sigmoid"] if case.recipe is not None else [])
