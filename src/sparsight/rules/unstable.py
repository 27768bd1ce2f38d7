"""D28: other features with another seed."""

import torch
from torch.nn import functional

from sparsight.core import Finding, Number
from sparsight.meters.recovery import best
from sparsight.rules._rule import Case, Rule
from sparsight.spec import register


@register("rule", "unstable")
class Unstable(Rule):
    """Trained with another seed, most features have no counterpart: the mean cosine of a row to its best match.

    From `verify`, or from a second model.

    Args:
        amber: of this mean.
        red: likewise.
    """

    id, stage, needs = "D28", 5, ()
    cause = "The data do not decide which features to learn: too few samples, too many features, or no structure."
    fix = "More samples or fewer features; keep those that several seeds agree on."

    def __init__(self, *, amber: float = 0.7, red: float = 0.6) -> None:
        self.amber, self.red = amber, red

    def __call__(self, case: Case) -> Finding | None:
        found, null = case.stability, None
        if found is None and case.look is not None and case.again is not None:
            found, null = _matched(case)
        if found is None or found >= self.amber:
            return None
        said = f"with another seed the features are others: their best matches have a mean cosine of {found:.2f}"
        number = Number(
            name="cosine to the best match", value=found, limit=self.amber, null=null, about="mean over live features"
        )
        return self.find("red" if found < self.red else "amber", said, number)


def _matched(case: Case) -> tuple[float | None, float | None]:
    assert case.look is not None and case.again is not None
    for of in ("decoder", "encoder"):
        one, other = case.look.filters.get(of), case.again.filters.get(of)
        if one is not None and other is not None and len(one) and len(other) and one.shape[1] == other.shape[1]:
            noise = functional.normalize(
                torch.randn(other.shape, generator=torch.Generator().manual_seed(0), dtype=other.dtype), dim=1
            )
            return float(best(one, other)[0].mean()), float(best(one, noise)[0].mean())
    return None, None
