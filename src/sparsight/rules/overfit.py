"""D25: learned by heart."""

from sparsight.core import Finding, Number
from sparsight.rules._rule import Case, Rule
from sparsight.spec import register


@register("rule", "overfit")
class Overfit(Rule):
    """Held-out samples are rebuilt worse than those of training: the ratio of their unexplained shares.

    Args:
        amber: of this.
        red: likewise.
        least: the unexplained share of held-out samples below which it does not matter.
    """

    id, stage, needs = "D25", 4, ("look", "seen")
    explains = ("unstable", "noise-filters")
    cause = "There are too few samples for so many weights."
    fix = "More samples, fewer features, noise on the inputs, weight decay, or an early stop."

    def __init__(self, *, amber: float = 1.6, red: float = 2.2, least: float = 0.01) -> None:
        self.amber, self.red, self.least = amber, red, least

    def __call__(self, case: Case) -> Finding | None:
        look, seen = case.look, case.seen
        assert look is not None and seen is not None
        if look.unexplained is None or seen.unexplained is None or look.unexplained < self.least:
            return None
        ratio = look.unexplained / max(seen.unexplained, 1e-12)
        if ratio < self.amber:
            return None
        said = (
            f"{look.unexplained:.1%} of the variance of held-out samples is left, and {seen.unexplained:.1%} of that "
            "of training samples: the model learned these by heart"
        )
        number = Number(
            name="held out over training", value=ratio, limit=self.amber, null=1.0, about="of the unexplained shares"
        )
        changes = [f"n_latents={max(1, case.recipe['n_latents'] // 2)}"] if case.recipe is not None else []
        return self.find("red" if ratio >= self.red else "amber", said, number, changes=changes)
