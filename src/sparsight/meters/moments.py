"""Mean, variance and range of samples, in one pass."""

import math

import torch
from torch import Tensor

from sparsight.errors import SparsightError

KEPT = 100
"""How many ids of bad rows are kept."""


def precise(tensor: Tensor) -> Tensor:
    """A tensor in float64, without its graph; on the CPU where its device has no float64."""
    tensor = tensor.detach()
    return (tensor.cpu() if tensor.device.type == "mps" else tensor).double()


class Moments:
    """Per-dimension mean, variance, lowest and highest value of rows, [n, D], streaming and in float64.

    Sums are merged by Chan's formula, stable and exact over shards: with δ = mean_b − mean_a and n = n_a + n_b,
    mean = mean_a + δ n_b / n and M2 = M2_a + M2_b + δ² n_a n_b / n (Chan, Golub & LeVeque 1979). Where rows have
    weights, n is their sum. Rows that hold NaN or infinity are counted, named and left out, as are,
    uncounted, rows of weight 0.

    Attributes:
        n: rows that were used.
        weight: the sum of their weights.
        mean: [D].
        low, high: [D], the range of each dimension; ∞ and −∞ before the first row.
        row_sum_error: max |Σ_i x_i − 1|: 0 where rows are distributions.
        n_bad: rows with NaN or infinity.
        bad_ids: the ids of the first of them, at most 100.
    """

    def __init__(self, width: int) -> None:
        self.n = 0
        self.weight = 0.0
        self.mean = torch.zeros(width, dtype=torch.float64)
        self._squares = torch.zeros(width, dtype=torch.float64)
        self.low = torch.full((width,), math.inf, dtype=torch.float64)
        self.high = torch.full((width,), -math.inf, dtype=torch.float64)
        self.row_sum_error = 0.0
        self.n_bad = 0
        self.bad_ids: list[int] = []

    @property
    def m2(self) -> Tensor:
        """Σ weight (x − mean)², [D]; exactly 0 where all values are equal, though their mean may be rounded."""
        return torch.where(self.low < self.high, self._squares, 0.0)

    @property
    def variance(self) -> Tensor:
        """E(x − mean)², [D]; 0 before the first row."""
        return self.m2 / self.weight if self.weight else torch.zeros_like(self.mean)

    def update(self, rows: Tensor, ids: Tensor | None = None, weight: Tensor | None = None) -> None:
        """Add rows, [n, D], with their ids and weights, [n]. Without ids, rows are numbered as they come.

        Raises:
            SparsightError: rows have another width, or not every row has a weight and an id.
        """
        self._check(rows, ids, weight)
        rows = precise(rows).cpu()
        weight = None if weight is None else precise(weight).cpu()
        good = rows.isfinite().all(1)
        if not good.all():
            bad = (~good).nonzero().squeeze(1)[: max(0, KEPT - len(self.bad_ids))]
            self.bad_ids += (bad + self.n + self.n_bad if ids is None else ids.cpu()[bad]).tolist()
            self.n_bad += int((~good).sum())
        if weight is not None:
            good &= weight > 0
            weight = weight[good]
        rows = rows if good.all() else rows[good]
        if len(rows):
            self.merge(self._of(rows, weight))

    def _check(self, rows: Tensor, ids: Tensor | None, weight: Tensor | None) -> None:
        if rows.ndim != 2 or rows.shape[1] != len(self.mean):
            raise SparsightError(f"rows of {len(self.mean)} values were expected, not the shape {tuple(rows.shape)}")
        for name, given in (("weight", weight), ("id", ids)):
            if given is not None and given.shape != rows.shape[:1]:
                raise SparsightError(f"{len(rows)} rows need one {name} each, not the shape {tuple(given.shape)}")

    @classmethod
    def _of(cls, rows: Tensor, weight: Tensor | None) -> "Moments":
        """The moments of some rows, in two passes over them."""
        self = cls(rows.shape[1])
        self.n = len(rows)
        if weight is None:
            self.weight = float(self.n)
            self.mean = rows.mean(0)
            self._squares = (rows - self.mean).square_().sum(0)
        else:
            self.weight = float(weight.sum())
            self.mean = weight @ rows / self.weight
            self._squares = weight @ (rows - self.mean).square_()
        self.low, self.high = rows.amin(0), rows.amax(0)
        self.row_sum_error = float((rows.sum(1) - 1).abs().max())
        return self

    def merge(self, other: "Moments") -> None:
        """Add what another has seen."""
        total = self.weight + other.weight
        if total:
            delta = other.mean - self.mean
            self.mean = self.mean + delta * (other.weight / total)
            between = delta.square() * (self.weight / total * other.weight)
            self._squares = self._squares + other._squares + between
        self.n, self.weight = self.n + other.n, total
        self.low, self.high = torch.minimum(self.low, other.low), torch.maximum(self.high, other.high)
        self.row_sum_error = max(self.row_sum_error, other.row_sum_error)
        self.n_bad += other.n_bad
        self.bad_ids = (self.bad_ids + other.bad_ids)[:KEPT]
