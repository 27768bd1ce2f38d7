"""D26: filters that a common scale hides."""

from sparsight.core import Finding, Number
from sparsight.rules._rule import Case, Rule
from sparsight.spec import register


@register("rule", "display")
class Display(Rule):
    """On one grey scale most filters are grey mush: their largest |w| is far below the largest of all.

    Args:
        faint: the share of the largest |w| below which a filter is not seen.
        most: the share of the live features that are faint in encoder or decoder.
    """

    id, stage = "D26", 5
    cause = "A few filters are far larger than the others, or the scale of the picture is a fixed one."
    fix = "Draw every filter on its own scale, and its length as a number beside it."

    def __init__(self, *, faint: float = 0.1, most: float = 0.5) -> None:
        self.faint, self.most = faint, most

    def __call__(self, case: Case) -> Finding | None:
        look = case.look
        assert look is not None
        worst, where = 0.0, ""
        for of, w in look.pictured.items():
            peaks = w.abs().amax(1)
            share = float((peaks < self.faint * peaks.max()).double().mean()) if len(peaks) else 0.0
            if share > worst:
                worst, where = share, of
        if worst < self.most:
            return None
        said = (
            f"{worst:.0%} of the {where} filters are below a tenth of the largest: on a common scale they are all grey"
        )
        number = Number(name="filters that are not seen", value=worst, limit=self.most, about="share of the live")
        return self.find("amber", said, number)
