"""D16: an output that cannot reach the data."""

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
    """

    id, stage = "D16", 1
    explains = (
        "penalty-dominates", "dead", "dense", "noise-filters", "not-learning", "target-missed", "identity",
        "duplicates", "frozen-inputs", "unstable",
    )  # fmt: skip
    cause = "A sigmoid or ReLU output for data with values that it never takes, such as standardised ones."
    fix = "Use a linear output, or scale the data to [0, 1]."

    def __init__(self, *, amber: float = 0.01, red: float = 0.1) -> None:
        self.amber, self.red = amber, red

    def __call__(self, case: Case) -> Finding | None:
        look = case.look
        assert look is not None
        if look.recon is None:
            return None
        target, low, high = precise(look.target), float(look.recon.min()), float(look.recon.max())
        size = float(target.std())
        said_unit = look.model.output in ("sigmoid", "softmax")
        if said_unit or (look.model.output is None and low >= 0 and high <= 1 and high > 1 - SLACK):
            outside, bounds = float(((target < -SLACK) | (target > 1 + SLACK)).double().mean()), "0 and 1"
        elif look.model.output in (None, "relu") and low >= 0:
            outside, bounds = float((target < -SLACK * size).double().mean()), "0 and above"
        else:
            return None
        if outside < self.amber:
            return None
        said = (
            f"{outside:.0%} of the values of the data lie outside of what the output can be, {bounds}: they go from "
            f"{float(target.min()):.3g} to {float(target.max()):.3g}"
        )
        number = Number(name="values out of reach", value=outside, limit=self.amber, null=0.0, about="share of all")
        return self.find("red" if outside >= self.red else "amber", said, number)
