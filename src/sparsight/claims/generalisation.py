"""Generalisation."""

import numpy as np

from sparsight.claims._case import MEASURED, Case
from sparsight.claims._check import Check, Columns
from sparsight.claims._explained import Explained, explained
from sparsight.claims._intervals import bootstrap
from sparsight.comparison import some
from sparsight.core import Claim
from sparsight.spec import register

OVERFIT = 1.3
"""The error on held-out samples, over that on training samples, from which on a model has learned samples by heart."""


@register("claim", "generalisation")
class Generalisation(Check):
    """What is explained of training samples is explained of held-out ones.

    The value is the unexplained variance of held-out samples over that of training samples, up to 5,000 of each, in the
    units of the data; its interval is a bootstrap over both. Its null is 1: nothing was learned by heart.
    """

    def __init__(self) -> None: ...

    def refuses(self, case: Case) -> str | None:
        return None if case.held_out else "no samples were held out: train with train.hold_out=0.1"

    def __call__(self, case: Case) -> tuple[Claim, Columns]:
        seen, unseen = (explained(case.sae, some(part, MEASURED)) for part in (case.training, case.measured))
        left = [1 - part.value for part in (seen, unseen)]
        ratio = left[1] / left[0] if left[0] > 0 else float("inf")
        low, high = _interval(seen, unseen)
        said = (
            f"{seen.value:.1%} of the variance of training samples is explained and {unseen.value:.1%} of held-out "
            f"ones, which leaves {ratio:.2f} times as much ({low:.2f} to {high:.2f}) where 1 is none learned by heart"
        )
        return Claim(
            name="generalisation",
            said=said,
            value=ratio,
            low=low,
            high=high,
            null=1.0,
            holds=high < OVERFIT,
            numbers={"training": seen.value, "held_out": unseen.value, "limit": OVERFIT},
        ), {}


def _interval(seen: Explained, unseen: Explained) -> tuple[float, float]:
    n = len(seen.squares)

    def ratio(times: np.ndarray) -> np.ndarray:
        # both parts are drawn at once, from one list of samples, each with its own number of them
        left = 1 - seen.share(times[:, :n])
        return (1 - unseen.share(times[:, n:])) / np.where(left > 0, left, np.nan)

    return bootstrap(n + len(unseen.squares), ratio)
