"""D08: filters that look like noise."""

from sparsight.core import Finding, Number
from sparsight.meters.shape import moran, white_noise
from sparsight.rules._rule import Case, Rule
from sparsight.spec import register


@register("rule", "noise-filters")
class NoiseFilters(Rule):
    """Filters are less smooth than the samples they see, where these vary: median Moran's I over live features.

    Of encoder and decoder the better one counts, and of sigmoid units the encoder, as a share of what the samples, less
    their mean, have. Where samples are no smoother than noise themselves, as whitened ones, filters need not be.

    Args:
        amber: the share of the samples' own below which filters are rough.
        red: and below which they are noise.
        smooth: Moran's I that samples must have.
    """

    id, stage = "D08", 5
    explains = ("unstable", "frozen-inputs")
    cause = (
        "Nothing removes the noise that weights start with: no weight decay, no sparsity that works, or too few steps."
    )
    fix = "Add weight decay, see that the sparsity penalty has a share of the gradient, and train longer."

    def __init__(self, *, amber: float = 0.55, red: float = 0.5, smooth: float = 0.5) -> None:
        self.amber, self.red, self.smooth = amber, red, smooth

    def __call__(self, case: Case) -> Finding | None:
        look = case.look
        assert look is not None
        shape = look.schema.shape
        known = {of: w * ~look.constant for of, w in look.pictured.items() if len(w)}
        if shape is None or not known:
            return None
        own = look.smoothness
        found = {of: float(moran(w, shape).nanmedian()) for of, w in known.items()}
        of = "encoder" if look.unit and "encoder" in found else max(found, key=lambda each: found[each])
        ratio = found[of] / own if own > 0 else 1.0
        if not own >= self.smooth or not ratio < self.amber:
            return None
        null = float(moran(white_noise(200, look.schema.n_inputs), shape).nanmedian())
        numbers = [
            Number(
                name=f"Moran's I, {name}",
                value=value,
                limit=self.amber * own,
                null=null,
                about="median over live features",
            )
            for name, value in found.items()
        ]
        numbers.append(Number(name="Moran's I of samples", value=own))
        said = f"the filters look like noise: Moran's I is {found[of]:.2f} for the {of}, and {own:.2f} for the samples"
        return self.find("red" if ratio < self.red else "amber", said, *numbers, changes=_decay(case))


def _decay(case: Case) -> list[str]:
    """Weight decay, where the recipe has none."""
    recipe = case.recipe
    if recipe is None:
        return []
    if recipe["architecture"].get("decay") == 0:
        return ["architecture.decay=0.003"]
    if not any(name.startswith(("l2", "smoothness")) for name in recipe.get("terms", {})):
        return [
            'terms."smoothness.encoder".weight=2.5e-5',
            'terms."smoothness.encoder".of=encoder',
            'terms."smoothness.decoder".weight=1.5e-4',
            'terms."smoothness.decoder".of=decoder',
        ]
    return [f"train.epochs={4 * recipe['train']['epochs']:g}"]
