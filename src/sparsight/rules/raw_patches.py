"""D18: patches whose brightness says everything."""

from sparsight.core import Finding, Number
from sparsight.rules._look import principal
from sparsight.rules._rule import Case, Rule
from sparsight.spec import register


@register("rule", "raw-patches")
class RawPatches(Rule):
    """The variance of pictures is their brightness: one principal component v, with (Σ v)² / (D Σ v²) near 1.

    They are looked at as the encoder sees them, after all preprocessing.

    Args:
        first: the share of the variance in the first principal component.
        flat: the share of its energy that is its mean.
    """

    id, stage = "D18", 1
    explains = (
        "filters-collapsed",
        "duplicates",
        "dense",
        "noise-filters",
        "penalty-dominates",
        "identity",
        "unstable",
        "display",
        "templates",
        "l1-gaming",
        "dead",
        "penalty-too-weak",
    )
    cause = "The mean of each patch was not taken out, nor were patches whitened, so brightness is all there is to win."
    fix = "Take out the mean of each patch, and whiten: the recipe `patches` does."

    def __init__(self, *, first: float = 0.6, flat: float = 0.8) -> None:
        self.first, self.flat = first, flat

    def __call__(self, case: Case) -> Finding | None:
        look = case.look
        assert look is not None
        if look.schema.shape is None or look.n < 2:
            return None
        vectors, shares = principal(look.prepared, 1)
        first, width = float(shares[0]), vectors.shape[1]
        flat = float(vectors[0].sum().square()) / width
        if first < self.first or flat < self.flat:
            return None
        said = f"{first:.0%} of the variance of the pictures is their brightness: a model has little else to win"
        null = 1 / width
        numbers = [
            Number(name="variance in one direction", value=first, limit=self.first, null=null),
            Number(name="energy of that direction that is its mean", value=flat, limit=self.flat, null=null),
        ]
        for of, w in look.pictured.items():
            if len(w):
                mean = (w.sum(1).square() / (w.shape[1] * w.square().sum(1)).clamp(min=1e-300)).median()
                numbers.append(Number(name=f"energy of filters that is their mean, {of}", value=float(mean), null=null))
        return self.find("red", said, *numbers, changes=_whitened(case))


def _whitened(case: Case) -> list[str]:
    """Whitened pixels go below 0 and above 1, where a sigmoid does not."""
    if case.recipe is None:
        return []
    bounded = case.recipe["output"] != "identity"
    return ['preprocess=[{name="remove_mean"},{name="zca_whiten"}]', *(["output=identity"] if bounded else [])]
