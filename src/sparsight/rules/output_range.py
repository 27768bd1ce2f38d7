"""D16: an output that cannot reach the data."""

from torch import Tensor

from sparsight.core import Finding, Number
from sparsight.meters.moments import precise
from sparsight.rules._rule import Case, Rule
from sparsight.spec import register

SLACK = 0.02


@register("rule", "output-range")
class OutputRange(Rule):
    """The output function stays in [0, 1], or above 0, and targets do not.

    Args:
        amber: the share of the targets' values that lie outside.
        red: likewise.
        ends: the share of values at 0 or 1 from which a linear output of sigmoid units is none for them,
        beyond: where this share of what it rebuilds lies outside.
    """

    id, stage = "D16", 1
    explains = (
        "penalty-dominates", "dead", "dense", "noise-filters", "not-learning", "target-missed", "identity",
        "duplicates", "frozen-inputs", "unstable",
    )  # fmt: skip
    cause = "A sigmoid or ReLU output for data with values that it never takes, such as standardised ones."
    fix = "Use a linear output, or scale the data to [0, 1]."

    def __init__(self, *, amber: float = 0.01, red: float = 0.1, ends: float = 0.5, beyond: float = 0.1) -> None:
        self.amber, self.red, self.ends, self.beyond = amber, red, ends, beyond

    def __call__(self, case: Case) -> Finding | None:
        look = case.look
        assert look is not None
        if look.recon is None:
            return None
        target, low, high = precise(look.target), float(look.recon.min()), float(look.recon.max())
        size = float(target.std())
        said_unit = look.model.output in ("sigmoid", "softmax")
        if said_unit or (look.model.output is None and low >= 0 and high <= 1 and high > 1 - SLACK):
            outside, bounds = float(_outside(target, 0.0, 1.0).mean()), "0 and 1"
        elif look.model.output in (None, "relu") and low >= 0:
            outside, bounds = float((target < -SLACK * size).double().mean()), "0 and above"
        else:
            return self._too_wide(case, target)
        if outside < self.amber:
            return None
        said = (
            f"{outside:.0%} of the values of the data lie outside of what the output can be, {bounds}: they go from "
            f"{float(target.min()):.3g} to {float(target.max()):.3g}"
        )
        number = Number(name="values out of reach", value=outside, limit=self.amber, null=0.0, about="share of all")
        return self.find("red" if outside >= self.red else "amber", said, number)

    def _too_wide(self, case: Case, target: Tensor) -> Finding | None:
        """Sigmoid units with a linear output for data that end at 0 and 1, as ink does."""
        look = case.look
        assert look is not None and look.recon is not None
        low, high = float(target.min()), float(target.max())
        if not look.unit or low < 0 or high > 1:
            return None
        at_ends = float(((target - low < SLACK) | (high - target < SLACK)).double().mean())
        beyond = float(_outside(look.recon, low, high).mean())
        if at_ends < self.ends or beyond < self.beyond:
            return None
        said = (
            f"{at_ends:.0%} of the values are at {low:g} or {high:g}, and the linear output goes beyond them in "
            f"{beyond:.0%}: codes must explain what a sigmoid output would cut off"
        )
        number = Number(name="reconstructed values out of range", value=beyond, limit=self.beyond, null=0.0)
        changes = ["output=sigmoid"] if case.recipe is not None else []
        fix = "Use a sigmoid output."
        return self.find(
            "amber", said, number, cause="The output is linear for data in [0, 1].", fix=fix, changes=changes
        )


def _outside(values: Tensor, low: float, high: float) -> Tensor:
    return ((values < low - SLACK) | (values > high + SLACK)).double()
