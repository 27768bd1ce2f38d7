"""Which features are real; `benchmarks/verify_truth.py` calibrates and tests the limits, on different seeds."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sparsight.meters.moments import precise
from sparsight.meters.recovery import best, partners

STABLE = math.cos(math.radians(30))
"""The median cosine to its partners in retrainings, at least."""
NEARER = 1 / 3
"""1 − that cosine, over 1 − cosine to the nearest feature of null data, at most."""
SHAPED = 0.02
"""1 − r² of a feature's projections with a normal distribution, at least."""
BLOCK = 2**24
"""Projections that are in memory at once."""
FIRINGS = 10
"""Samples in which a feature fires, at least, for anything to be known of it."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a verdict rests on, [F] each."""

    stability: Tensor
    nearest_null: Tensor
    non_normal: Tensor
    non_normal_null: float
    firings: Tensor
    response: Tensor
    response_null: float

    def reasons(self) -> dict[str, np.ndarray]:
        """What each feature passes, by name; NaN passes nothing, but a response that was not measured counts as one."""
        tests = {
            "fires": self.firings >= FIRINGS,
            "stable": self.stability >= STABLE,
            "not of null data": 1 - self.stability <= NEARER * (1 - self.nearest_null),
            "not normal": self.non_normal > max(SHAPED, self.non_normal_null),
            "causal": self.response.isnan() | (self.response > self.response_null),
        }
        return {name: passed.numpy() for name, passed in tests.items()}

    def real(self) -> np.ndarray:
        """Whether it passes all, [F]."""
        return np.logical_and.reduce(list(self.reasons().values()))


def matched(rows: Tensor, others: Tensor) -> Tensor:
    """The cosine of each row to its partner among others, in the best pairs of all; 0 where it has none, [F]."""
    return partners(rows, others)[1]


def stability(rows: Tensor, again: list[Tensor]) -> Tensor:
    """The median over retrainings of `matched`, [F]."""
    return torch.stack([matched(rows, others) for others in again]).quantile(0.5, dim=0)


def nearest(rows: Tensor, nulls: list[Tensor]) -> Tensor:
    """The largest cosine to any row of any null, [F]."""
    return torch.stack([best(rows, others)[0] for others in nulls]).amax(0)


def non_normal(filters: Tensor, x: Tensor) -> Tensor:
    """1 − r², with r the correlation of the sorted projections x · filter with normal quantiles, [F], float64.

    0 for a normal distribution, some (log n) / n for samples of one (Shapiro & Francia 1972). Any projection of
    Gaussian data is normal; what a sparse feature adds to samples is not.
    """
    n = len(x)
    at = (torch.arange(1, n + 1, dtype=torch.float64) - 0.375) / (n + 0.25)
    quantiles = functional.normalize(math.sqrt(2) * torch.erfinv(2 * at - 1), dim=0)
    raw, found = precise(x), []
    for block in precise(filters).split(max(1, BLOCK // n)):
        z = (raw @ block.T).sort(dim=0).values
        z = z - z.mean(0)
        length = z.norm(dim=0)
        r = (quantiles @ z) / torch.where(length > 0, length, 1.0)
        found.append(torch.where(length > 0, 1 - r.square(), 0.0))
    return torch.cat(found)
