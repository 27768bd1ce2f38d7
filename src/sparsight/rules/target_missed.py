"""D12: the mean activity is not what was asked for."""

from sparsight.core import Finding, Number
from sparsight.rules._rule import Case, Rule
from sparsight.spec import register


@register("rule", "target-missed")
class TargetMissed(Rule):
    """|median_j q_j − ρ| / ρ of the mean activities q_j = E_b[h_bj] and their target ρ.

    Args:
        amber: of this.
        red: likewise.
    """

    id, stage, needs = "D12", 3, ("look", "target")
    explains = ("dense", "noise-filters", "identity", "unstable")
    cause = "The penalty is too weak for the error, or training stopped too early."
    fix = "Triple the weight of the penalty, or train longer."

    def __init__(self, *, amber: float = 0.75, red: float = 1.5) -> None:
        self.amber, self.red = amber, red

    def __call__(self, case: Case) -> Finding | None:
        look, target = case.look, case.target
        assert look is not None and target is not None
        mean = float(look.mean.median())
        off = abs(mean - target) / target
        if off <= self.amber:
            return None
        low, high = (float(look.mean.quantile(q)) for q in (0.1, 0.9))
        said = f"half of the features have a mean activity above {mean:.3g}, and {target:g} was asked for"
        numbers = (
            Number(name="distance from the target", value=off, limit=self.amber, about="|median_j q_j − ρ| / ρ"),
            Number(name="tenth of the features below", value=low),
            Number(name="tenth of the features above", value=high),
        )
        weight = (case.recipe or {}).get("architecture", {}).get("kl")
        changes = [f"architecture.kl={3 * weight:.3g}"] if weight else []
        return self.find("red" if off > self.red else "amber", said, *numbers, changes=changes)
