"""Mean, variance and range of samples, in one pass."""

import math

import torch
from torch import Tensor

KEPT = 100
"""How many ids of bad rows are kept."""


class Moments:
    """Per-dimension mean, variance, lowest and highest value of rows, [n, D], streaming and in float64.

    Sums are merged by Chan's formula, stable and exact over shards: with δ = mean_b − mean_a and n = n_a + n_b,
    mean = mean_a + δ n_b / n and M2 = M2_a + M2_b + δ² n_a n_b / n (Chan, Golub & LeVeque 1979). Rows that hold NaN or
    infinity are counted and left out.
    """

    def __init__(self, width: int) -> None:
        self.n = 0
        self.weight = 0.0
        self.mean = torch.zeros(width, dtype=torch.float64)
        self.m2 = torch.zeros(width, dtype=torch.float64)
        self.low = torch.full((width,), math.inf, dtype=torch.float64)
        self.high = torch.full((width,), -math.inf, dtype=torch.float64)
        self.row_sum_error = 0.0
        self.n_bad = 0
        self.bad_ids: list[int] = []

    @property
    def variance(self) -> Tensor:
        """E(x − mean)², [D]."""
        return self.m2 / self.weight if self.weight else torch.zeros_like(self.m2)

    def update(self, rows: Tensor, ids: Tensor | None = None, weight: Tensor | None = None) -> None:
        """Add rows, [n, D], with their ids and weights, [n]."""
        rows = rows.detach().double().cpu()
        good = rows.isfinite().all(1)
        if not good.all():
            bad = (~good).nonzero().squeeze(1)
            self.n_bad += len(bad)
            room = max(0, KEPT - len(self.bad_ids))
            self.bad_ids += [int(i) for i in (bad if ids is None else ids[bad])[:room]]
            rows, weight = rows[good], None if weight is None else weight[good]
        if not len(rows):
            return
        other = Moments(rows.shape[1])
        other.n = len(rows)
        if weight is None:
            other.weight = float(len(rows))
            other.mean = rows.mean(0)
            other.m2 = (rows - other.mean).square_().sum(0)
        else:
            w = weight.double().cpu()
            other.weight = float(w.sum())
            if other.weight:
                other.mean = w @ rows / other.weight
                other.m2 = w @ (rows - other.mean).square_()
        other.low, other.high = rows.amin(0), rows.amax(0)
        other.row_sum_error = float((rows.sum(1) - 1).abs().max())
        self.merge(other)

    def merge(self, other: "Moments") -> None:
        """Add what another has seen."""
        total = self.weight + other.weight
        if total:
            delta = other.mean - self.mean
            self.mean = self.mean + delta * (other.weight / total)
            self.m2 = self.m2 + other.m2 + delta.square() * (self.weight * other.weight / total)
        self.n, self.weight = self.n + other.n, total
        self.low, self.high = torch.minimum(self.low, other.low), torch.maximum(self.high, other.high)
        self.row_sum_error = max(self.row_sum_error, other.row_sum_error)
        self.n_bad += other.n_bad
        self.bad_ids = (self.bad_ids + other.bad_ids)[:KEPT]
