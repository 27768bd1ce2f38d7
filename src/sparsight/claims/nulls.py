"""Nulls."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparsight.claims import _nulls
from sparsight.claims._case import Case
from sparsight.claims._check import Check, Columns
from sparsight.claims._explained import explained
from sparsight.claims._probes import codes_of, parts_of
from sparsight.claims.baselines import MOST
from sparsight.claims.stability import SEEDS, agreement, rows_of
from sparsight.comparison import beside
from sparsight.core import SAE, Claim
from sparsight.job import prepare
from sparsight.meters.shape import moran
from sparsight.spec import register

PROBED = 1_000
"""Labels to learn from: every null has a probe of its own."""


@register("claim", "nulls")
class Nulls(Check):
    """The run is better than the same recipe on data that hold nothing, than one that was not trained, and than chance.

    Null data are Gaussian with the same mean and covariance, columns permuted over samples, and pictures with their
    own amplitudes and random phases; `untrained` is where the run started; `random` are random directions at the run's
    L0 and size. Each is measured as the run is: `explained_variance` of the real held-out samples, `stability` between
    its trainings, the median of Moran's I of its rows, and the error of a probe on its codes of the real samples, with
    1,000 labels. `own` is what a training on null data explains of those. The value is the run's explained variance,
    with a bootstrap over samples; its null is the best of them.
    """

    def __init__(self) -> None: ...

    def refuses(self, case: Case) -> str | None:
        return case.untrainable or case.like_rows

    def trainings(self, case: Case) -> dict[str, int]:
        return {"seeds": SEEDS, **_nulls.trainings(case)}

    def __call__(self, case: Case) -> tuple[Claim, Columns]:
        ours = explained(case.sae, case.test)
        again = [rows_of(sae) for sae in case.models("seeds", case.real, SEEDS)]
        rows = {"this run": {**_row(case, case.sae), "stability": agreement([rows_of(case.sae), *again])}}
        for name, make in _nulls.kinds(case).items():
            found = case.models(name, make, _nulls.SEEDS)
            if found and name != "gaussian-1":
                case.say(f"measuring {name}")
                own = explained(found[0], make()).value
                measured = {**_row(case, found[0]), "stability": agreement(list(map(rows_of, found))), "own": own}
                rows[name.removesuffix("-0")] = measured
        rows["untrained"] = _row(case, prepare(case.recipe, case.real()).sae.eval())
        if case.sae.n_latents <= MOST:
            rows["random"] = _random(case)
        low, high = ours.interval()
        best = max((name for name in rows if name != "this run"), key=lambda name: rows[name]["explained_variance"])
        null = rows[best]["explained_variance"]
        said = (
            f"{ours.value:.1%} of the variance is explained ({low:.1%} to {high:.1%}), where the best that has learned "
            f"nothing of these samples, {best}, explains {null:.1%}"
        )
        return Claim(
            name="nulls",
            said=said,
            value=ours.value,
            low=low,
            high=high,
            null=null,
            holds=low > null,
            numbers={"rows": rows},
        ), {}


def _row(case: Case, sae: SAE) -> dict[str, Any]:
    parts, shape = parts_of(case, PROBED), case.training.schema.shape
    return {
        "explained_variance": explained(sae, case.test).value,
        "stability": None,
        "moran": None if shape is None else _median(moran(rows_of(sae).double(), shape)),
        "probe_error": None if parts is None else float(np.mean(parts.misses(codes_of(sae)))),
        "own": None,
    }


def _random(case: Case) -> dict[str, Any]:
    (_, row) = beside([case.run], [(case.training, case.test)], ["random"])["rows"]
    return {key: row.get(key) for key in ("explained_variance", "stability", "moran", "probe_error", "own")}


def _median(values: Tensor) -> float | None:
    live = values[torch.isfinite(values)]
    return float(live.median()) if len(live) else None
