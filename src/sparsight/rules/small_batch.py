"""D13: too few samples for a mean activity."""

from sparsight.core import Finding, Number
from sparsight.rules._rule import Case, Rule
from sparsight.spec import register


@register("rule", "small-batch")
class SmallBatch(Rule):
    """A batch holds too few firings of a feature to know its mean activity: B · ρ < 10.

    Models of our own have a moving average there.

    Args:
        firings: that a batch must have of each feature.
    """

    id, stage, needs = "D13", 2, ("target", "batch_size")
    explains = ("target-missed",)
    cause = "The mean activity of a batch is a rough guess of a rare feature's: its divergence is mostly noise."
    fix = "Take batches of 10 / ρ samples or more, or a moving average of the mean activity."

    def __init__(self, *, firings: float = 10.0) -> None:
        self.firings = firings

    def __call__(self, case: Case) -> Finding | None:
        assert case.target is not None and case.batch_size is not None
        expected = case.batch_size * case.target
        if case.recipe is not None or expected >= self.firings:
            return None
        said = (
            f"a batch of {case.batch_size:,} samples has {expected:.1f} firings of a feature with a mean activity of "
            f"{case.target:g}: too few to know it by"
        )
        number = Number(name="firings in a batch", value=expected, limit=self.firings, about="B ρ")
        return self.find("amber", said, number)
