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
    epoch, order = -1, torch.empty(0, dtype=torch.long)
    at = start * size
    while True:
        parts: list[Tensor] = []
        missing = size
        while missing:
            if at // n != epoch:
                epoch = at // n
                order = torch.from_numpy(shuffled(n, seed, _ORDER, epoch))
            parts.append(order[at % n : at % n + missing])
            missing, at = missing - len(parts[-1]), at + len(parts[-1])
        yield parts[0] if len(parts) == 1 else torch.cat(parts)


def set_aside(n: int, fraction: float, seed: int, what: str = "samples") -> tuple[Tensor, Tensor]:
    """Those of n things to keep and ⌈fraction · n⌉ random ones to set aside, both in order.

    Raises:
        SparsightError: nothing would be left.
    """
    aside = int(np.ceil(fraction * n))
    if aside >= n:
        raise SparsightError(f"holding {fraction:.0%} of {n} {what} out leaves none to train on: hold out less")
    order = torch.from_numpy(shuffled(n, seed, _SPLIT))
    return order[aside:].sort().values, order[:aside].sort().values
