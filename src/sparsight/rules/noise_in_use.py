"""D21: two calls, two answers."""

from sparsight.core import Finding, Number
from sparsight.rules._rule import Case, Rule
from sparsight.spec import register


@register("rule", "noise-in-use")
class NoiseInUse(Rule):
    """The codes of the same samples differ between two calls.

    Args:
        unlike: the largest difference, as a share of the largest code; rounding is below it.
    """

    id, stage = "D21", 2
    explains = ("dense", "noise-filters", "unstable")
    cause = "Noise or dropout is still on, or samples of a batch change each other's codes."
    fix = "Switch noise off outside training: `model.eval()`, or noise of 0."

    def __init__(self, *, unlike: float = 1e-3) -> None:
        self.unlike = unlike

    def __call__(self, case: Case) -> Finding | None:
        look = case.look
        assert look is not None
        if not look.unlike > self.unlike:
            return None
        said = f"two calls with the same samples give codes that differ by up to {look.unlike:.1%} of the largest"
        number = Number(name="difference of two calls", value=look.unlike, limit=self.unlike, null=0.0)
        return self.find("red", said, number)
