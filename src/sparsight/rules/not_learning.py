"""D15: training that goes nowhere."""

from statistics import fmean

from torch import Tensor

from sparsight.core import Finding, Number
from sparsight.rules._rule import Case, Rule
from sparsight.rules.penalty_dominates import SPREAD
from sparsight.spec import register

FIRST = 0.2
NOTHING = 0.1
"""The explained variance up to which nothing was learned."""


@register("rule", "not-learning")
class NotLearning(Rule):
    """The loss stands still, sigmoid units are saturated, or a model that was trained rebuilds nothing.

    Args:
        change: of the loss, as a share, below which it stands still, from a fifth of the training on.
        way: the sum of all rates, over 1 / √D, below which Adam cannot have moved a weight far.
        saturated: the share of sigmoid codes that are within .0025 of 0 or 1, where no gradient passes.
        unexplained: the share of the variance that is left.
    """

    id, stage, needs = "D15", 3, ()
    explains = (
        "noise-filters", "dense", "target-missed", "frozen-inputs", "dead", "penalty-too-weak",
        "unstable", "penalty-dominates", "duplicates", "penalty-per-activation", "filters-collapsed", "l1-gaming",
    )  # fmt: skip
    cause = "A learning rate that is too low, units that are saturated by inputs of large numbers, or a start at zero."
    fix = "Scale the inputs to about 1, start with small random weights, and raise the learning rate tenfold."

    def __init__(
        self, *, change: float = 0.02, way: float = 0.05, saturated: float = 0.5, unexplained: float = 0.95
    ) -> None:
        self.change, self.way, self.saturated, self.unexplained = change, way, saturated, unexplained

    def __call__(self, case: Case) -> Finding | None:
        return self._saturated(case) or self._slow(case) or self._still(case) or self._nothing(case)

    def _saturated(self, case: Case) -> Finding | None:
        look = case.look
        if look is None or not look.unit or look.edge < self.saturated or look.population > 0.9:
            return None
        largest = float(look.x.abs().max())
        if largest <= 10:
            return None
        said = f"{look.edge:.0%} of the codes are at 0 or 1, where no gradient passes; inputs go up to {largest:.3g}"
        numbers = (
            Number(name="saturated codes", value=look.edge, limit=self.saturated, about="share with h (1 − h) < .0025"),
            Number(name="largest input", value=largest, limit=10.0),
        )
        return self.find("red", said, *numbers, fix="Divide the inputs so that they are about 1: pixels by 255.")

    def _slow(self, case: Case) -> Finding | None:
        """Adam moves a weight by no more than about the rate in a step, and a row of length 1 has weights of 1 / √D."""
        if not case.log or case.recipe is None or case.look is None or case.recipe["train"]["optimizer"] != "adam":
            return None
        steps, rate = case.log[-1].step, max(line.lr for line in case.log)
        way = rate * steps * case.look.x.shape[1] ** 0.5
        if way >= self.way:
            return None
        said = f"at a rate of {rate:.2g} no weight can have moved by more than {rate * steps:.2g} in {steps:,} steps"
        number = Number(name="way of a weight", value=way, limit=self.way, about="rate · steps · √D")
        return self.find("red", said, number, changes=["train.lr=0.001"])

    def _still(self, case: Case) -> Finding | None:
        lines = [line for line in case.log or () if line.loss is not None]
        if len(lines) < 3 or lines[-1].step < FIRST * lines[-1].steps:
            return None
        third, last = max(1, len(lines) // 3), lines[-1]
        start, later = (fmean(line.loss for line in part) for part in (lines[:third], lines[-third:]))
        change = abs(later - start) / abs(start) if start else 0.0
        if change >= self.change or (last.explained_variance or 0.0) > NOTHING:
            return None
        said = f"the loss stands still: up to step {last.step:,} it changed by {change:.2%}"
        number = Number(
            name="change of the loss", value=change, limit=self.change, about="from the first to the last third"
        )
        return self.find("red", said, number, changes=_faster(case))

    def _nothing(self, case: Case) -> Finding | None:
        look = case.look
        if look is None or look.unexplained is None or look.recon is None or look.unexplained < self.unexplained:
            return None
        if look.spread <= SPREAD and not _untouched(look.model.W_dec):
            return None
        said = f"reconstructions have nothing to do with the samples: {look.unexplained:.0%} of the variance is left"
        number = Number(name="unexplained", value=look.unexplained, limit=self.unexplained, null=1.0)
        return self.find("red", said, number, changes=_faster(case))


def _untouched(weights: Tensor | None) -> bool:
    return weights is not None and not weights.any()


def _faster(case: Case) -> list[str]:
    if case.recipe is None or not case.log:
        return []
    return ["train.lr=0.001"] if case.log[0].lr < 1e-3 else []
