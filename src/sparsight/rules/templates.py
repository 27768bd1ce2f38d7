"""D27: features that are samples."""

import torch
from torch.nn import functional

from sparsight.core import Finding, Number
from sparsight.meters.moments import precise
from sparsight.rules._rule import Case, Rule
from sparsight.spec import register


@register("rule", "templates")
class Templates(Rule):
    """Decoder rows are single training samples: their largest cosine to one, with and without the mean.

    Args:
        cosine: from which a row is a sample.
        amber: the share of the live features.
        red: likewise.
    """

    id, stage, needs = "D27", 4, ("seen",)
    explains = ("unstable", "duplicates", "overfit")
    cause = "There are about as many features as samples, or so few per sample that each must hold a whole one."
    fix = "More samples, fewer features, or more features per sample."

    def __init__(self, *, cosine: float = 0.95, amber: float = 0.2, red: float = 0.5) -> None:
        self.cosine, self.amber, self.red = cosine, amber, red

    def __call__(self, case: Case) -> Finding | None:
        seen = case.seen
        assert seen is not None
        rows = seen.filters.get("decoder", seen.filters.get("encoder"))
        if rows is None or rows.shape[1] != seen.x.shape[1] or not len(rows):
            return None
        x = precise(seen.x)
        best = torch.maximum(_closest(rows, x), _closest(rows, x - x.mean(0)))
        samples = best > self.cosine
        share = float(samples.double().mean())
        if share < self.amber or _one_direction(x, self.cosine):
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


def _closest(rows: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    unit = functional.normalize(x, dim=1)
    return (functional.normalize(rows, dim=1) @ unit.T).amax(1)


def _one_direction(x: torch.Tensor, cosine: float) -> bool:
    """Whether samples are so like each other that any mixture of them is like some: the median nearest neighbour."""
    unit = functional.normalize(x[:1000], dim=1)
    alike = (unit @ unit.T).fill_diagonal_(-1)
    return float(alike.amax(1).median()) > cosine
