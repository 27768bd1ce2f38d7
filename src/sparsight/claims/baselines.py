"""Baselines."""

from sparsight.claims._case import Case
from sparsight.claims._check import Check, Columns
from sparsight.claims._explained import explained
from sparsight.comparison import beside
from sparsight.core import Claim
from sparsight.spec import register

MOST = 8_192
"""Features of a baseline."""


@register("claim", "baselines")
class Baselines(Check):
    """No dictionary by other means, as large and as sparse, is better in all that is measured.

    PCA, ICA, NMF, k-means, dictionary learning, the mean and random directions, fitted to the same samples, with as
    many features and with codes by matching pursuit of the run's L0, as `comparison.compare` has them. The value is
    the run's explained variance on held-out samples, with a bootstrap over samples; its null is the best baseline's. It
    holds where no baseline explains more and, with labels, has as small a probe error.
    """

    def __init__(self) -> None: ...

    def refuses(self, case: Case) -> str | None:
        if case.training.schema.n_targets is not None:
            return "baselines rebuild their inputs, and here the targets are others"
        if case.sae.n_latents > MOST:
            return f"baselines of more than {MOST:,} features take hours: hold a smaller run against them"
        return None

    def __call__(self, case: Case) -> tuple[Claim, Columns]:
        case.say("fitting baselines")
        record = beside([case.run], [(case.training, case.measured)])
        ours, *others = record["rows"]
        best = max(others, key=lambda row: row["explained_variance"] or 0.0)
        low, high = explained(case.sae, case.test).interval()
        better = [row["name"] for row in others if _dominates(row, ours)]
        said = (
            f"{ours['explained_variance']:.1%} of the variance is explained ({low:.1%} to {high:.1%}) with "
            f"{ours['l0']:.1f} features per sample, where {best['name']} with as many explains "
            f"{best['explained_variance']:.1%}"
        )
        if ours["probe_error"] is not None:
            known = min(others, key=lambda row: row["probe_error"])
            said += (
                f"; the probe error is {ours['probe_error']:.1%}, at best {known['probe_error']:.1%} by {known['name']}"
            )
        said += f"; better in all is {' and '.join(better) or 'none'}"
        return Claim(
            name="baselines",
            said=said,
            value=ours["explained_variance"],
            low=low,
            high=high,
            null=best["explained_variance"],
            holds=not better,
            numbers={"rows": record["rows"], "notes": record["notes"], "better": better},
        ), {}


def _dominates(row: dict[str, float | None], ours: dict[str, float | None]) -> bool:
    """Whether a baseline explains more, with no larger probe error where there is one."""
    theirs, own = row["explained_variance"], ours["explained_variance"]
    if theirs is None or own is None or theirs <= own:
        return False
    error, bar = row["probe_error"], ours["probe_error"]
    return error is None or bar is None or error <= bar
