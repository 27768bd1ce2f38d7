"""D27: features that are samples."""

import torch
from torch.nn import functional

from sparsight.core import Finding, Number
from sparsight.meters.moments import precise
from sparsight.rules._rule import Case, Rule
from sparsight.spec import register


@register("rule", "templates")
class Templates(Rule):
    """Decoder rows are single training samples: c₁ > .95 and c₂ < .9, of the two largest cosines to any.

    Where many samples are like a row, as those that are made of one direction alone, it is no copy of any.

    Args:
        cosine: from which a row is a sample.
        alone: below which the next sample must be.
        amber: the share of the live features.
        red: likewise.
    """

    id, stage, needs = "D27", 4, ("seen",)
    explains = ("unstable", "duplicates", "overfit")
    cause = "There are about as many features as samples, or so few per sample that each must hold a whole one."
    fix = "More samples, fewer features, or more features per sample."

    def __init__(self, *, cosine: float = 0.95, alone: float = 0.9, amber: float = 0.2, red: float = 0.5) -> None:
        self.cosine, self.alone, self.amber, self.red = cosine, alone, amber, red

    def __call__(self, case: Case) -> Finding | None:
        seen = case.seen
        assert seen is not None
        rows = seen.filters.get("decoder", seen.filters.get("encoder"))
        if rows is None or rows.shape[1] != seen.x.shape[1] or not len(rows) or seen.n < 2:
            return None
        x = precise(seen.x)
        samples = self._copies(rows, x) | self._copies(rows, x - x.mean(0))
        share = float(samples.double().mean())
        if share < self.amber:
            return None
        said = f"{share:.0%} of the features are copies of single training samples (cosine above {self.cosine:g})"
        number = Number(
            name="features that are samples", value=share, limit=self.amber, null=0.0, about="share of the live"
        )
        changes = []
        if case.recipe is not None:
            changes = [f"n_latents={max(1, case.recipe['n_latents'] // 4)}"]
        return self.find(
            "red" if share >= self.red else "amber", said, number, changes=changes, features=seen.measured[samples]
        )

    def _copies(self, rows: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        unit = functional.normalize(rows, dim=1)
        best = torch.cat([block @ functional.normalize(x, dim=1).T for block in unit.split(256)]).topk(2, dim=1).values
        return (best[:, 0] > self.cosine) & (best[:, 1] < self.alone)
