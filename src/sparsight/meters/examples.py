"""The samples that show a feature best: bounded, in one pass."""

import torch
from torch import Tensor

from sparsight.meters.neighbours import NOTHING


class Kept:
    """For each of F features, the `n` entries with the largest keys, streaming; of equal keys the earlier one.

    With the code as the key these are its top examples, with a random number the key of a uniform sample. Memory is
    F · n however many samples pass, and entries below a feature's smallest key cost a comparison.

    Attributes:
        keys: [F, n], descending; −∞ where there are fewer.
        ids: [F, n], the samples; −1 where there are fewer.
        values: [F, n], the codes; 0 where there are fewer.
    """

    def __init__(self, n_latents: int, n: int) -> None:
        self.n = n
        self.keys = torch.full((n_latents, n), -torch.inf)
        self.ids = torch.full((n_latents, n), NOTHING)
        self.values = torch.zeros(n_latents, n)

    def update(self, features: Tensor, ids: Tensor, values: Tensor, keys: Tensor) -> None:
        """Add entries, [nnz] each: which feature fired in which sample, its code, and the key."""
        better = (keys > self.keys[features, -1]).nonzero().squeeze(1)
        if not len(better):
            return
        features, ids, values, keys = features[better], ids[better], values[better], keys[better]
        order = keys.argsort(descending=True, stable=True)
        order = order[features[order].argsort(stable=True)]
        features = features[order]
        touched, counts = features.unique_consecutive(return_counts=True)
        rank = torch.arange(len(features)) - (counts.cumsum(0) - counts).repeat_interleave(counts)
        few = rank < self.n
        rank, order = rank[few], order[few]
        row = torch.arange(len(touched)).repeat_interleave(counts)[few]

        def beside(old: Tensor, new: Tensor, empty: float) -> Tensor:
            table = torch.full((len(touched), self.n), empty, dtype=old.dtype)
            table[row, rank] = new[order].to(old.dtype)
            return torch.cat([old[touched], table], dim=1)

        every = beside(self.keys, keys, -torch.inf)
        best = every.argsort(dim=1, descending=True, stable=True)[:, : self.n]
        self.keys[touched] = every.gather(1, best)
        self.ids[touched] = beside(self.ids, ids, NOTHING).gather(1, best)
        self.values[touched] = beside(self.values, values, 0.0).gather(1, best)
