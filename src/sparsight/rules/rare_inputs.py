"""D17: near-constant inputs that were divided by their own spread."""

from sparsight.core import Finding, Number
from sparsight.meters.moments import precise
from sparsight.rules._rule import Case, Rule
from sparsight.spec import register


@register("rule", "rare-inputs")
class RareInputs(Rule):
    """Inputs of a deviation like that of others that have one value but for a few samples, which have huge ones.

    Args:
        huge: the largest |x − mean| over the deviation of that input.
        rare: the share of samples that may differ from the most frequent value.
        amber: the share of such inputs.
        red: likewise.
    """

    id, stage = "D17", 1
    explains = (
        "noise-filters",
        "frozen-inputs",
        "dead",
        "order",
        "templates",
        "display",
        "overfit",
        "unstable",
        "penalty-dominates",
        "output-range",
        "duplicates",
    )
    cause = "Each input was divided by its own deviation, and some hardly ever vary: their few values became huge."
    fix = "Divide all pixels by the same number, or by their deviation plus a tenth of the typical one."

    def __init__(self, *, huge: float = 20.0, rare: float = 0.005, amber: float = 0.01, red: float = 0.05) -> None:
        self.huge, self.rare, self.amber, self.red = huge, rare, amber, red

    def __call__(self, case: Case) -> Finding | None:
        look = case.look
        assert look is not None
        x, std = precise(look.x), look.std
        typical = float(std.square().mean().sqrt())
        if typical == 0 or len(x) < 200:
            return None
        usual = x.median(0).values
        other = (x - usual).abs() > 1e-3 * std
        peak = (x - x.mean(0)).abs().amax(0) / std.clamp(min=1e-300)
        bad = (peak > self.huge) & (other.double().mean(0) < self.rare) & (std > 0.2 * typical)
        share = float(bad.double().mean())
        if share < self.amber:
            return None
        said = (
            f"{int(bad.sum()):,} inputs are constant but for a few samples, where they are up to "
            f"{float(peak[bad].max()):.0f} deviations large"
        )
        number = Number(
            name="inputs that hardly vary and are huge", value=share, limit=self.amber, null=0.0, about="share of all"
        )
        return self.find("red" if share >= self.red else "amber", said, number, changes=_scaled(case))


def _scaled(case: Case) -> list[str]:
    return ['preprocess=[{name="scale"}]'] if case.recipe is not None else []
