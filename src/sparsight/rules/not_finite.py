"""D01: numbers that are none."""

import math

from sparsight.core import Finding, Number
from sparsight.rules._rule import Case, Rule
from sparsight.spec import register

EARLY = 0.1
"""The share of training in which a loss must not have risen far above where it began."""


@register("rule", "not-finite")
class NotFinite(Rule):
    """Weights, codes, reconstructions or the loss are NaN or infinite, or the loss shoots up at the start.

    Args:
        rise: the loss, as a multiple of the first that was logged, that is an alarm in the first tenth.
    """

    id, stage, needs = "D01", 0, ()
    explains = ("not-learning", "dead", "noise-filters", "penalty-dominates", "filters-collapsed")
    cause = "A logarithm of 0, a learning rate that is too high, or numbers too large for float16."
    fix = "Keep the argument of the logarithm away from 0 and 1, or take a tenth of the learning rate."

    def __init__(self, *, rise: float = 10.0) -> None:
        self.rise = rise

    def __call__(self, case: Case) -> Finding | None:
        if case.look is not None:
            model = case.look.model
            named = {"encoder": model.W_enc, "decoder": model.W_dec, "b_enc": model.b_enc, "b_dec": model.b_dec}
            for name, weights in named.items():
                bad = 0 if weights is None else int((~weights.isfinite()).sum())
                if weights is not None and bad:
                    return self._found(f"{bad:,} of the {weights.numel():,} weights of the {name} are no numbers", bad)
            if not case.look.finite:
                return self._found("codes or reconstructions of ordinary samples are no finite numbers", 1)
        losses = [(line.step, line.loss, line.steps) for line in case.log or ()]
        for step, loss, steps in losses:
            if loss is None or not math.isfinite(loss):
                return self._found(f"the loss was no number at step {step:,}", 1, case)
            first = losses[0][1]
            if step <= EARLY * steps and loss > self.rise * abs(first) > 0:
                number = Number(name="loss over the first", value=loss / first, limit=self.rise, null=1.0)
                said = f"at step {step:,} the loss is {loss / first:.0f} times what it was at step {losses[0][0]:,}"
                return self.find("red", said, number, changes=self._slower(case))
        return None

    def _found(self, said: str, bad: int, case: Case | None = None) -> Finding:
        number = Number(name="numbers that are none", value=bad, limit=0, null=0)
        return self.find("red", said, number, changes=self._slower(case) if case else ())

    @staticmethod
    def _slower(case: Case) -> list[str]:
        lr = case.log[0].lr if case.log else None
        return [] if lr is None or case.recipe is None else [f"train.lr={lr / 10:.3g}"]
