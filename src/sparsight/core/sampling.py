"""Shuffled epochs and held-out splits: orders that are functions of a seed."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from sparsight.errors import SparsightError

_ORDER, _SPLIT = 1, 2


def shuffled(n: int, *key: int) -> np.ndarray:
    """A permutation of n things that depends on the whole key and on nothing else."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(list(key)))).permutation(n)


def spread(n: int, at_most: int) -> Tensor:
    """Up to `at_most` of the numbers 0 ... n − 1, evenly spread, [m]."""
    return torch.linspace(0, n - 1, min(n, at_most), dtype=torch.float64).round().long().unique()


def orders(n: int, size: int, seed: int, start: int) -> Iterator[Tensor]:
    """The samples of each batch from step `start` on, [size]: shuffled epochs that follow each other without a gap."""
    epoch, order = -1, np.empty(0, np.int64)
    at = start * size
    while True:
        ids = np.empty(size, np.int64)
        filled = 0
        while filled < size:
            if at // n != epoch:
                epoch = at // n
                order = shuffled(n, seed, _ORDER, epoch)
            part = order[at % n : at % n + size - filled]
            ids[filled : filled + len(part)] = part
            filled, at = filled + len(part), at + len(part)
        yield torch.from_numpy(ids)


def set_aside(n: int, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """The samples to keep and ⌈fraction · n⌉ random ones to set aside, both in order.

    Raises:
        SparsightError: nothing would be left.
    """
    aside = int(np.ceil(fraction * n))
    if aside >= n:
        raise SparsightError(f"holding {fraction:.0%} of {n} samples out leaves none to train on: hold out less")
    order = torch.from_numpy(shuffled(n, seed, _SPLIT))
    return order[aside:].sort().values, order[:aside].sort().values
