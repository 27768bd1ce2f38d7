"""Stability."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from sparsight.claims import _nulls
from sparsight.claims._case import Case
from sparsight.claims._check import Check, Columns
from sparsight.claims._intervals import mean_of
from sparsight.claims._real import STABLE, Facts, matched, nearest, non_normal, stability
from sparsight.claims.causality import responses, threshold
from sparsight.core import SAE, Claim
from sparsight.errors import SparsightError
from sparsight.meters.quality import measure_quality
from sparsight.spec import register

SEEDS = 4
UNSTABLE = 0.6
"""The mean matched cosine below which a dictionary depends on its seed more than on the data."""


@register("claim", "stability")
class Stability(Check):
    """Retrained from other starts on the same batches, the features come back; and which of them are real.

    `stability` is, for each decoder row in the units of the data, the median over retrainings of the cosine to its
    partner in the best pairs of all (the Hungarian method). The value is the mean over features that fire and over
    retrainings, with Student's interval over these. Its null is the largest of the same between two trainings on one
    kind of null data.

    `real` takes all of:

    - the feature fires in 10 samples or more;
    - its stability is cos 30° = .87 or more;
    - 1 − stability is at most a third of 1 − `nearest_null`, its cosine to the nearest row of any training on null
      data: two draws of Gaussian data, columns permuted over samples, and pictures with random phases;
    - `non_normal`, 1 − r² of its projections with a normal distribution, is .02 or more, and more than that of every
      feature of the Gaussian data;
    - its response to what the decoder makes of it is above chance; see the claim `causality`.
    """

    def __init__(self, *, seeds: Annotated[int, Field(ge=4)] = SEEDS) -> None:
        self.seeds = seeds

    def refuses(self, case: Case) -> str | None:
        return case.untrainable or case.like_rows

    def trainings(self, case: Case) -> dict[str, int]:
        return {"seeds": self.seeds, **_nulls.trainings(case)}

    def __call__(self, case: Case) -> tuple[Claim, Columns]:
        again = [rows_of(sae) for sae in case.models("seeds", case.real, self.seeds)]
        nulls = {name: [rows_of(sae) for sae in found] for name, found in _nulls.models(case).items()}
        if len(again) < 2 or not any(nulls.values()):
            raise SparsightError("the loss of the retrainings was no number: nothing can be said of their features")
        rows, firings = rows_of(case.sae), fired(case)
        live = firings > 0
        facts = self._facts(case, rows, firings, again, [row for found in nulls.values() for row in found])
        each = torch.stack([matched(rows, others)[live].mean() for others in again])
        mean, low, high = mean_of(each.numpy())
        null = max(agreement(found) for found in nulls.values())
        real, stable = facts.real(), int((facts.stability[live] >= STABLE).sum())
        said = (
            f"retrained from {len(again)} other starts, features come back at a mean cosine of {mean:.2f}, where those "
            f"of null data do at {null:.2f}; {stable:,} of {int(live.sum()):,} are stable (a median of {STABLE:.2f} or "
            f"more), and {int(real.sum()):,} are real"
        )
        reasons = {name: int((~passed)[live.numpy()].sum()) for name, passed in facts.reasons().items()}
        return Claim(
            name="stability",
            said=said,
            value=mean,
            low=low,
            high=high,
            null=null,
            holds=low > null and mean >= UNSTABLE,
            numbers={
                "retrainings": each.tolist(),
                "nulls": {name: agreement(found) for name, found in nulls.items()},
                "fire": int(live.sum()),
                "stable": stable,
                "real": int(real.sum()),
                "failing": reasons,
            },
        ), {
            "stability": facts.stability.numpy(),
            "nearest_null": facts.nearest_null.numpy(),
            "non_normal": facts.non_normal.numpy(),
            "real": real,
        }

    def _facts(self, case: Case, rows: Tensor, firings: Tensor, again: list[Tensor], nulls: list[Tensor]) -> Facts:
        case.say("what features do")
        response, chance = responses(case.sae, case.test)
        x = case.test.gather(torch.arange(len(case.test)))
        filters = case.sae.filters()["encoder"]
        return Facts(
            stability=stability(rows, again),
            nearest_null=nearest(rows, nulls),
            non_normal=non_normal(filters, x),
            non_normal_null=_of_gaussians(case),
            firings=firings,
            response=response,
            response_null=threshold(chance),
        )


def rows_of(sae: SAE) -> Tensor:
    """Decoder rows in the units of the data, [F, D]."""
    return sae.filters()["decoder"]


def fired(case: Case) -> Tensor:
    """In how many of the samples that figures rest on each feature fires, [F]."""
    return measure_quality(case.sae, case.test).counts


def agreement(found: list[Tensor]) -> float:
    """The mean matched cosine between trainings; 0 where there are not two."""
    pairs = [matched(a, b).mean() for n, a in enumerate(found) for b in found[:n]]
    return float(torch.stack(pairs).mean()) if pairs else 0.0


def _of_gaussians(case: Case) -> float:
    """The largest distance from normal of any feature of Gaussian data, on samples as new to it as the run's are."""
    worst = 0.0
    for name, make in _nulls.kinds(case).items():
        if name.startswith("gaussian"):
            x = _nulls.unseen(case) if case.held_out else make().gather(torch.arange(len(case.test)))
            found = case.models(name, make, _nulls.SEEDS)
            worst = max([worst, *(float(non_normal(sae.filters()["encoder"], x).max()) for sae in found)])
    return worst
