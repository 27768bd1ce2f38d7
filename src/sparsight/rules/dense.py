"""D11: features that are always on."""

from sparsight.core import Finding, Number
from sparsight.rules._rule import Case, Rule
from sparsight.spec import register

HELD = 0.75
"""How far a mean activity may be from its target, as a share of that."""


@register("rule", "dense")
class Dense(Rule):
    """Features fire in most samples, or all samples are spread over most features.

    For codes with zeros the share of features that fire in over half of the samples, and of features per sample; for
    sigmoid units the population sparsity of Treves & Rolls (1991), (1 − (E r)² / E r²) / (1 − 1/F), unless they have
    the mean activity that was asked for.

    Args:
        always: the share of features that fire in over half of the samples.
        most: the share of the features that fire in a sample.
        sparse: the population sparsity of sigmoid units.
    """

    id, stage = "D11", 4
    explains = ("noise-filters", "unstable")
    cause = "Nothing makes a sample choose: the sparsity penalty is weak or absent, or features carry the mean."
    fix = "Strengthen the sparsity penalty or lower k, and take the mean of the data out."

    def __init__(self, *, always: float = 0.15, most: float = 0.4, sparse: float = 0.3) -> None:
        self.always, self.most, self.sparse = always, most, sparse

    def __call__(self, case: Case) -> Finding | None:
        look = case.look
        assert look is not None
        if look.dense:
            held = case.target is not None and abs(float(look.mean.median()) - case.target) <= HELD * case.target
            if held or look.population >= self.sparse:
                return None
            said = f"codes are spread over all features: their population sparsity is {look.population:.2f}"
            about = "(1 − (E r)² / E r²) / (1 − 1/F), mean over samples"
            number = Number(name="population sparsity", value=look.population, limit=self.sparse, null=0.0, about=about)
            return self.find("red", said, number, changes=_sparser(case))
        share = look.l0 / look.n_latents
        always = look.rate > 0.5
        held = float(always.double().mean())
        if share < self.most and (held < self.always or share > 0.25):
            return None
        said = (
            f"{look.l0:.0f} of {look.n_latents:,} features fire in a sample, and {int(always.sum()):,} of them in "
            "over half of all samples"
        )
        numbers = (
            Number(name="features that fire in a sample", value=share, limit=self.most, about="share of all"),
            Number(name="features that are nearly always on", value=held, limit=self.always, about="share of all"),
        )
        features = always.nonzero().squeeze(1)
        return self.find(
            "red" if share >= self.most else "amber", said, *numbers, changes=_sparser(case), features=features
        )


def _sparser(case: Case) -> list[str]:
    recipe = case.recipe
    if recipe is None:
        return []
    architecture = recipe["architecture"]
    if architecture.get("k"):
        return [f"architecture.k={max(1, recipe['n_latents'] // 10)}"]
    for knob, stronger in (("kl", 3.0), ("l1", None), ("l0", None)):
        if knob in architecture:
            value = stronger if stronger and architecture[knob] < stronger else 10 * (architecture[knob] or 0.1)
            return [f"architecture.{knob}={value:.3g}"]
    return []
