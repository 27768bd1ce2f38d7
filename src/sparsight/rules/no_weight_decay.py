"""D29: nothing that removes the noise of the start."""

from sparsight.core import Finding, Number
from sparsight.meters.shape import moran
from sparsight.rules._rule import Case, Rule
from sparsight.spec import register


@register("rule", "no-weight-decay")
class NoWeightDecay(Rule):
    """Sigmoid units are trained without a term of the weights, and their filters are rougher than the samples.

    Args:
        rough: Moran's I of the encoder, median over live features, as a share of that of samples less their mean.
        smooth: Moran's I that samples must have.
    """

    id, stage, needs = "D29", 2, ("look", "terms")
    explains = ("noise-filters", "frozen-inputs", "unstable")
    cause = "A gradient that passes through all samples hardly touches most of what weights started with."
    fix = "Add weight decay: ½ λ Σ w² over encoder and decoder, not over biases."

    def __init__(self, *, rough: float = 0.75, smooth: float = 0.5) -> None:
        self.rough, self.smooth = rough, smooth

    def __call__(self, case: Case) -> Finding | None:
        look = case.look
        assert look is not None and case.terms is not None
        shape, filters = look.schema.shape, look.pictured.get("encoder")
        held = [name for name, term in case.terms.items() if term.needs == {"weights"} and term.weight]
        if shape is None or filters is None or not look.unit or held or not len(filters):
            return None
        own = look.smoothness
        found = float(moran(filters, shape).nanmedian())
        if own < self.smooth or found >= self.rough * own:
            return None
        said = (
            f"no term holds the weights, and encoder filters keep the noise they started with: Moran's I is {found:.2f}"
        )
        numbers = (
            Number(name="Moran's I, encoder", value=found, limit=self.rough * own, null=0.0),
            Number(name="Moran's I of samples", value=own),
        )
        known = case.recipe is not None and "decay" in case.recipe["architecture"]
        changes = ["architecture.decay=0.003"] if known else ["terms.l2.weight=0.003"]
        return self.find("red", said, *numbers, changes=changes)
