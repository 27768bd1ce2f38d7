"""D07: one filter, many times."""

from sparsight.core import Finding, Number
from sparsight.meters.shape import max_cosine, moran
from sparsight.rules._rule import Case, Rule
from sparsight.spec import register


@register("rule", "filters-collapsed")
class FiltersCollapsed(Rule):
    """Half of the filters have a twin, and hardly anything is rebuilt: the median of max_k |cos(w_j, w_k)| is near 1.

    Args:
        alike: that median.
        unexplained: the share of the variance that is left.
    """

    id, stage = "D07", 3
    explains = (
        "penalty-dominates", "duplicates", "noise-filters", "dead", "dense", "templates", "target-missed", "unstable",
        "penalty-per-activation", "penalty-too-weak",
    )  # fmt: skip
    cause = "The weight decay is so strong that only the direction which explains most is worth its weights."
    fix = "Take a tenth of the weight decay."

    def __init__(self, *, alike: float = 0.85, unexplained: float = 0.6) -> None:
        self.alike, self.unexplained = alike, unexplained

    def __call__(self, case: Case) -> Finding | None:
        look = case.look
        assert look is not None
        known = {of: w for of, w in look.filters.items() if len(w) > 1}
        if not known:
            return None
        cosines = {of: float(max_cosine(w).nanmedian()) for of, w in known.items()}
        of = min(cosines, key=lambda each: cosines[each])
        if cosines[of] <= self.alike or (look.unexplained or 1.0) < self.unexplained:
            return None
        numbers = [Number(name=f"largest cosine of a filter to another, {of}", value=cosines[of], limit=self.alike)]
        shape = look.schema.shape
        if of in look.pictured and shape is not None:
            numbers.append(Number(name="Moran's I", value=float(moran(known[of], shape).nanmedian()), null=0.0))
        said = f"the filters are copies of each other: half of them have another with a cosine above {cosines[of]:.2f}"
        return self.find("red", said, *numbers, changes=_less_decay(case))


def _less_decay(case: Case) -> list[str]:
    decay = (case.recipe or {}).get("architecture", {}).get("decay")
    return [f"architecture.decay={decay / 10:.3g}"] if decay else []
