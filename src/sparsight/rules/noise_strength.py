"""D22: noise that does nothing, or everything."""

from sparsight.core import Finding, Number
from sparsight.rules._rule import Case, Rule
from sparsight.spec import register


@register("rule", "noise-strength")
class NoiseStrength(Rule):
    """The energy of the noise over that of the samples: σ² D / Σ_i Var x_i.

    Args:
        weak: below which the autoencoder denoises nothing.
        strong: above which samples are lost in it.
    """

    id, stage, needs = "D22", 2, ("look", "noise")
    explains = (
        "noise-filters", "frozen-inputs", "penalty-dominates", "dead", "dense", "target-missed", "penalty-too-weak",
        "not-learning", "unstable", "duplicates",
    )  # fmt: skip
    cause = "The noise was chosen without regard to the spread of the data."
    fix = "Take noise of a tenth to half of the data's deviation, or hide a quarter of the inputs."

    def __init__(self, *, weak: float = 0.01, strong: float = 5.0) -> None:
        self.weak, self.strong = weak, strong

    def __call__(self, case: Case) -> Finding | None:
        look = case.look
        assert look is not None and case.noise is not None
        variance = float(look.std.square().sum())
        share = case.noise**2 * len(look.std) / variance if variance else 0.0
        if case.noise == 0 or self.weak <= share <= self.strong:
            return None
        does = "nothing" if share < self.weak else "too much"
        said = f"the noise has {share:.2%} of the energy of the samples: it does {does}"
        limit = self.weak if share < self.weak else self.strong
        number = Number(name="energy of the noise", value=share, limit=limit, about="σ² D / Σ_i Var x_i")
        wanted = 0.3 * (variance / len(look.std)) ** 0.5
        changes = [f"corruption.std={wanted:.2g}"] if case.recipe is not None else []
        return self.find("red" if share > self.strong else "amber", said, number, changes=changes)
