"""D19: a penalty that is escaped by scaling."""

from sparsight.core import Finding, Number
from sparsight.rules._rule import Case, Rule
from sparsight.spec import register


@register("rule", "l1-gaming")
class L1Gaming(Rule):
    """Codes became small and decoder rows long, which pleases an L1 penalty and changes nothing else.

    For codes that are not bounded: median ‖W_dec_j‖ over live features; a code has the scale of the samples where this
    is 1. And, since a factor can move between any encoder filter and decoder row, the ratio of the two lengths.

    Args:
        amber: the length of a row.
        red: likewise.
        ratio: of the length of decoder rows to that of encoder filters.
    """

    id, stage = "D19", 2
    explains = ("dense", "penalty-too-weak", "display", "noise-filters", "unstable")
    cause = (
        "The L1 penalty sees the codes alone: h / 100 and 100 W_dec rebuild the same for a hundredth of the penalty."
    )
    fix = "Hold decoder rows at length 1, or take the penalty of codes times the length of their rows."

    def __init__(self, *, amber: float = 5.0, red: float = 10.0, ratio: float = 10.0) -> None:
        self.amber, self.red, self.ratio = amber, red, ratio

    def __call__(self, case: Case) -> Finding | None:
        look = case.look
        assert look is not None
        rows, filters = look.filters.get("decoder"), look.filters.get("encoder")
        if rows is None or filters is None or look.unit or not len(rows):
            return None
        size = float(look.target.std()) if case.recipe is not None else 1.0
        length = float(rows.norm(dim=1).median())
        ratio = float((rows.norm(dim=1) / filters.norm(dim=1).clamp(min=1e-300)).median())
        if case.recipe is not None:
            length, ratio = length / size, ratio / size**2
        if length < self.amber or ratio < self.ratio:
            return None
        said = (
            f"decoder rows are {length:.0f} long and encoder filters {ratio:.0f} times shorter: codes shrank, and the "
            "decoder makes up for it"
        )
        numbers = (
            Number(name="length of decoder rows", value=length, limit=self.amber, null=1.0, about="median ‖W_dec_j‖"),
            Number(name="decoder over encoder", value=ratio, limit=self.ratio, about="median ‖W_dec_j‖ / ‖W_enc_j‖"),
        )
        known = case.recipe is not None and "unit_rows" in case.recipe["architecture"]
        return self.find(
            "red" if length >= self.red else "amber",
            said,
            *numbers,
            changes=["architecture.unit_rows=true"] if known else [],
        )
