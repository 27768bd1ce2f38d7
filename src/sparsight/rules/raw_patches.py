"""D18: patches whose brightness says everything."""

import torch

from sparsight.core import Finding, Number
from sparsight.meters.moments import precise
from sparsight.rules._rule import Case, Rule
from sparsight.spec import register


@register("rule", "raw-patches")
class RawPatches(Rule):
    """Most of the variance of pictures is their brightness, and filters have learned that: (Σ w)² / (D Σ w²).

    Args:
        first: the share of the variance in the first principal component.
        flat: the share of a filter's energy that is its mean, median over live features; of encoder or decoder.
    """

    id, stage = "D18", 1
    explains = (
        "filters-collapsed",
        "duplicates",
        "dense",
        "noise-filters",
        "penalty-dominates",
        "identity",
        "unstable",
        "display",
        "templates",
        "l1-gaming",
    )
    cause = "The mean of each patch was not taken out, nor were patches whitened, so brightness is all there is to win."
    fix = "Take out the mean of each patch, and whiten."

    def __init__(self, *, first: float = 0.5, flat: float = 0.3) -> None:
        self.first, self.flat = first, flat

    def __call__(self, case: Case) -> Finding | None:
        look = case.look
        assert look is not None
        known = {of: w for of, w in look.pictured.items() if len(w)}
        if not known:
            return None
        x = precise(look.x)
        x = x - x.mean(0)
        power = float(x.square().sum())
        first = float(torch.linalg.eigvalsh(x.T @ x)[-1]) / power if power else 0.0
        flat = {
            of: float((w.sum(1).square() / (w.shape[1] * w.square().sum(1)).clamp(min=1e-300)).median())
            for of, w in known.items()
        }
        of = max(flat, key=lambda each: flat[each])
        if first < self.first or flat[of] < self.flat:
            return None
        said = (
            f"{first:.0%} of the variance of the pictures is one direction, their brightness, and {flat[of]:.0%} of "
            f"the energy of {of} filters is their mean"
        )
        numbers = (
            Number(name="variance in one direction", value=first, limit=self.first, null=1 / x.shape[1]),
            Number(name="energy of filters that is their mean", value=flat[of], limit=self.flat, null=1 / x.shape[1]),
        )
        return self.find("red", said, *numbers)
