"""D20: copies."""

import torch
from torch.nn import functional

from sparsight.core import Finding, Number
from sparsight.rules._rule import Case, Rule
from sparsight.spec import register


@register("rule", "duplicates")
class Duplicates(Rule):
    """Features that have a copy: the share of live ones whose decoder row, and filter, has a cosine to another's.

    Args:
        cosine: from which two are copies.
        amber: the share of features that have one.
        red: likewise.
    """

    id, stage = "D20", 4
    explains = ("unstable",)
    cause = "There are more features than the data have, or too little sparsity to tell them apart."
    fix = "Take fewer features, or fewer of them per sample."

    def __init__(self, *, cosine: float = 0.9, amber: float = 0.1, red: float = 0.3) -> None:
        self.cosine, self.amber, self.red = cosine, amber, red

    def __call__(self, case: Case) -> Finding | None:
        look = case.look
        assert look is not None
        known = {of: _nearest(w) for of, w in look.filters.items() if len(w) > 1}
        if not known:
            return None
        copies = {of: cosines > self.cosine for of, cosines in known.items()}
        both = copies.get("decoder", next(iter(copies.values()))) & copies.get("encoder", next(iter(copies.values())))
        share = float(both.double().mean())
        if share < self.amber:
            return None
        said = f"{share:.0%} of the features have a copy: another with a cosine above {self.cosine:g}"
        number = Number(name="features with a copy", value=share, limit=self.amber, null=0.0, about="share of the live")
        changes = (
            [] if case.recipe is None else [f"n_latents={max(1, round(case.recipe['n_latents'] * (1 - share / 2)))}"]
        )
        features = look.measured[both.cpu()]
        return self.find("red" if share >= self.red else "amber", said, number, changes=changes, features=features)


def _nearest(filters: torch.Tensor) -> torch.Tensor:
    """max_{k≠j} cos(w_j, w_k), [m]: with its sign, since of two opposite filters each has its own samples."""
    unit = functional.normalize(filters, dim=1)
    return (unit @ unit.T).fill_diagonal_(-1).amax(1)
