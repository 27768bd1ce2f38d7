"""Use."""

import numpy as np
from torch import Tensor

from sparsight.baselines.pca import principal
from sparsight.claims._case import Case
from sparsight.claims._check import Check, Columns
from sparsight.claims._intervals import bootstrap
from sparsight.claims._probes import codes_of, parts_of
from sparsight.core import Claim
from sparsight.spec import register


@register("claim", "use")
class Use(Check):
    """Labels can be read from codes by a line with fewer errors than from the samples themselves.

    The value is the error of `meters.probe.probe_error` on codes less that on raw samples, with up to 5,000 labels to
    learn from and 5,000 to be judged on; the interval is a paired bootstrap over the latter. Its null is 0. `pca` is
    the error on as many principal components as there are features.
    """

    def __init__(self) -> None: ...

    def refuses(self, case: Case) -> str | None:
        return (
            None
            if parts_of(case) is not None
            else ("there are no held-out samples with labels: give labels, and hold some out by train.hold_out=0.1")
        )

    def __call__(self, case: Case) -> tuple[Claim, Columns]:
        parts = parts_of(case)
        assert parts is not None
        mean, directions, _ = principal(parts.whole().double(), case.sae.n_latents)

        def components(raw: Tensor) -> Tensor:
            return (raw.double() - mean) @ directions.T

        wrong = {}
        for name, encode in {"codes": codes_of(case.sae), "raw": lambda raw: raw, "pca": components}.items():
            case.say(f"a probe on {name}")
            wrong[name] = parts.misses(encode).astype(np.float64)
        error = {name: float(misses.mean()) for name, misses in wrong.items()}
        apart = {name: _paired(wrong["codes"] - wrong[name]) for name in ("raw", "pca")}
        low, high = apart["raw"]
        said = (
            f"a linear probe on codes has an error of {error['codes']:.1%}, on raw samples {error['raw']:.1%} and on "
            f"as many principal components {error['pca']:.1%}: {100 * (error['codes'] - error['raw']):+.1f} points "
            f"({100 * low:+.1f} to {100 * high:+.1f}) from raw to codes"
        )
        return Claim(
            name="use",
            said=said,
            value=error["codes"] - error["raw"],
            low=low,
            high=high,
            null=0.0,
            holds=high < 0,
            numbers={**error, "apart": apart, "labels": len(parts.known), "judged_on": len(parts.judged)},
        ), {}


def _paired(difference: np.ndarray) -> tuple[float, float]:
    return bootstrap(len(difference), lambda times: times @ difference / len(difference))
