"""Codes: what a batch of samples is made of, dense or sparse, behind one face."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Codes:
    """The codes of B samples over F features.

    Dense: `values [B, F]`. Ragged: row b keeps `values[offsets[b]:offsets[b + 1]]` at the features
    `index[offsets[b]:offsets[b + 1]]`, each feature at most once in a row; everything else is 0.
    A feature *fires* where its code is not 0: a stored zero does not count.
    """

    values: Tensor  # [B, F] or [nnz]
    n_latents: int
    index: Tensor | None = None  # [nnz], int64
    offsets: Tensor | None = None  # [B + 1], int64
    memo: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """What is found out once about the places that are kept; codes at the same places share it."""

    @classmethod
    def fixed(cls, values: Tensor, index: Tensor, n_latents: int) -> "Codes":
        """Ragged codes with the same number k kept in every row; `values` and `index` are [B, k]."""
        rows, k = values.shape
        offsets = torch.arange(0, (rows + 1) * k, k, device=values.device) if k else index.new_zeros(rows + 1)
        return cls(values.flatten(), n_latents, index.flatten(), offsets)

    @classmethod
    def none(cls, rows: int, n_latents: int, like: Tensor) -> "Codes":
        """The codes of samples in which no feature fires, of the type and on the device of `like`."""
        offsets = torch.zeros(rows + 1, dtype=torch.long, device=like.device)
        return cls(like.new_zeros(0), n_latents, offsets[:0], offsets)

    def __len__(self) -> int:
        return len(self.values if self.offsets is None else self.offsets[1:])

    @property
    def is_dense(self) -> bool:
        return self.index is None

    def sparse(self) -> tuple[Tensor, Tensor, Tensor]:
        """`values`, `index` and `offsets` of ragged codes."""
        assert self.index is not None and self.offsets is not None
        return self.values, self.index, self.offsets

    def rows(self) -> Tensor:
        """The sample that each stored value belongs to, [nnz]."""
        _, index, offsets = self.sparse()
        return torch.repeat_interleave(
            torch.arange(len(self), device=index.device), offsets.diff(), output_size=len(index)
        )

    def dense(self) -> Tensor:
        """All codes, [B, F]."""
        if self.index is None:
            return self.values
        flat = self.rows() * self.n_latents + self.index
        out = self.values.new_zeros(len(self) * self.n_latents)
        return out.scatter(0, flat, self.values).view(len(self), self.n_latents)

    def map(self, function: Callable[[Tensor], Tensor]) -> "Codes":
        """Apply an elementwise function that leaves 0 at 0."""
        return Codes(function(self.values), self.n_latents, self.index, self.offsets, self.memo)

    def cpu(self) -> "Codes":
        """The same on the CPU."""
        if self.index is None or self.offsets is None:
            return Codes(self.values.cpu(), self.n_latents)
        return Codes(self.values.cpu(), self.n_latents, self.index.cpu(), self.offsets.cpu())

    def per_feature_sum(self, weight: Tensor | None = None) -> Tensor:
        """Σ_b weight_b · codes_bj, [F]; weights are 1 where none are given."""
        if self.index is None:
            return self.values.sum(0) if weight is None else weight @ self.values
        values = self.values if weight is None else self.values * weight[self.rows()]
        return values.new_zeros(self.n_latents).index_add(0, self.index, values)

    def fires(self) -> Tensor:
        """Which features fire in any sample, [F], bool."""
        if self.index is None:
            return self.values.abs().amax(0) > 0  # several times faster than counting
        return self.values.new_zeros(self.n_latents, dtype=torch.bool).index_fill(0, self.index[self.values != 0], True)

    def per_place(self, per_feature: Tensor) -> Tensor:
        """A number of each feature, [F], at the places of these codes: [1, F], or [nnz]."""
        return per_feature[None] if self.index is None else per_feature.index_select(0, self.index)

    def per_sample_sum(self, scale: Tensor | None = None) -> Tensor:
        """Σ_j scale_j · codes_bj, [B]; scales are 1 where none are given."""
        if self.index is None:
            return self.values.sum(1) if scale is None else self.values @ scale
        values = self.values if scale is None else self.values * scale[self.index]
        return values.new_zeros(len(self)).index_add(0, self.rows(), values)

    def l0(self) -> Tensor:
        """How many features fire in each sample, [B], int64."""
        if self.index is None:
            return self.values.count_nonzero(1)
        return torch.bincount(self.rows()[self.values != 0], minlength=len(self))

    def least(self) -> Tensor:
        """The smallest |code| that each sample keeps, [B]; 0 where it keeps none, and where codes are dense."""
        if self.index is None:
            return self.values.new_zeros(len(self))
        found = self.values.new_full((len(self),), torch.inf)
        found = found.scatter_reduce(0, self.rows(), self.values.abs(), "amin")
        return torch.where(found.isfinite(), found, 0.0)

    def prefix(self, n: int) -> "Codes":
        """The codes of the first `n` features, with 0 for the others."""
        if self.index is None:
            return Codes(self.values * (torch.arange(self.n_latents, device=self.values.device) < n), self.n_latents)
        return self.grouped([n])

    def grouped(self, ends: Sequence[int]) -> "Codes":
        """Ragged codes of G · B rows: B for the features below the first end, then B for those up to the second, and
        so on. Features from the last end on are left out.
        """
        values, index, _ = self.sparse()
        groups = len(ends)
        group = torch.bucketize(index, torch.tensor(ends, device=index.device), right=True)
        row = group * len(self) + self.rows()
        kept = (group < groups).nonzero().squeeze(1)
        kept = kept[row[kept].argsort(stable=True)]
        counts = torch.bincount(row[kept], minlength=len(self) * groups)
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return Codes(values[kept], self.n_latents, index[kept], offsets)
