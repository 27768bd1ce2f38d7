"""Shuffled epochs and held-out splits: orders that are functions of a seed."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from sparsight.core.hashing import mixed
from sparsight.errors import SparsightError

WHOLE = 2**24
"""Things up to which an order is a whole permutation in memory; above, it is computed place by place."""
_ROUNDS = 8
_BLOCK = 2**18
_ORDER, _SPLIT = 1, 2


def shuffled(n: int, *key: int) -> np.ndarray:
    """A permutation of n things that depends on the whole key and on nothing else."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(list(key)))).permutation(n)


def permuted(n: int, places: np.ndarray, *key: int) -> np.ndarray:
    """What is at some places of an order of n things that depends on the whole key, in memory for those places alone.

    A Feistel network over Z_a × Z_b with a = ⌈√n⌉ and b = ⌈n / a⌉ (Black & Rogaway 2002): place = u b + v, and in turn
    u ← u + f_r(v) mod a and v ← v + f_r(u) mod b, each of which can be undone, so that no two places have the same.
    f_r is a SplitMix64 hash under a key of its round. The few that come out at n or above go in again.
    """
    a = math.isqrt(n - 1) + 1
    b = -(-n // a)
    keys = np.random.SeedSequence(list(key)).generate_state(_ROUNDS, np.uint64)
    found = _network(places.astype(np.uint64), np.uint64(a), np.uint64(b), keys)
    while (beyond := found >= n).any():
        found[beyond] = _network(found[beyond], np.uint64(a), np.uint64(b), keys)
    return found.astype(np.int64)


def _network(at: np.ndarray, a: np.uint64, b: np.uint64, keys: np.ndarray) -> np.ndarray:
    u, v = at // b, at % b
    for r, key in enumerate(keys):
        if r % 2:
            v = (v + mixed(u ^ key) % b) % b
        else:
            u = (u + mixed(v ^ key) % a) % a
    return u * b + v


def ordered(n: int, start: int, stop: int, *key: int) -> np.ndarray:
    """The places from `start` on, to `stop`, of an order of n things that depends on the whole key."""
    return shuffled(n, *key)[start:stop] if n <= WHOLE else permuted(n, np.arange(start, min(stop, n)), *key)


def spread(n: int, at_most: int) -> Tensor:
    """Up to `at_most` of the numbers 0 ... n − 1, evenly spread, [m]."""
    return torch.linspace(0, n - 1, min(n, at_most), dtype=torch.float64).round().long().unique()


def orders(n: int, size: int, seed: int, start: int) -> Iterator[Tensor]:
    """The samples of each batch from step `start` on, [size]: shuffled epochs that follow each other without a gap."""
    known, order = -1, np.empty(0, np.int64)
    at = start * size
    while True:
        parts: list[np.ndarray] = []
        missing = size
        while missing:
            epoch, place = divmod(at, n)
            if n > WHOLE:
                parts.append(ordered(n, place, place + missing, seed, _ORDER, epoch))
            else:
                if epoch != known:
                    known, order = epoch, shuffled(n, seed, _ORDER, epoch)
                parts.append(order[place : place + missing])
            missing, at = missing - len(parts[-1]), at + len(parts[-1])
        yield torch.from_numpy(parts[0] if len(parts) == 1 else np.concatenate(parts))


def set_aside(n: int, fraction: float, seed: int, what: str = "samples") -> tuple[Tensor, Tensor]:
    """Those of n things to keep and ⌈fraction · n⌉ random ones to set aside, both in order.

    Raises:
        SparsightError: nothing would be left.
    """
    count = int(np.ceil(fraction * n))
    if count >= n:
        raise SparsightError(f"holding {fraction:.0%} of {n} {what} out leaves none to train on: hold out less")
    return apart(
        torch.zeros(n, dtype=torch.bool).index_fill_(0, torch.from_numpy(ordered(n, 0, count, seed, _SPLIT)), True)
    )


def set_groups_aside(groups: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Those of some things, by the group of each, whose groups are kept and set aside, both in order.

    Raises:
        SparsightError: nothing would be left.
    """
    low, high = (int(end) for end in groups.aminmax())
    if high - low >= 4 * len(groups):
        groups = groups.unique(return_inverse=True)[1]
        low, high = 0, int(groups.max())
    there = torch.zeros(high - low + 1, dtype=torch.bool)  # a table, and blocks: sorting them all would take seconds
    blocks = groups.split(_BLOCK)
    for block in blocks:
        there[block.long() - low] = True
    found = there.nonzero().squeeze(1)
    aside = torch.zeros_like(there)
    aside[found[set_aside(len(found), fraction, seed, "groups of samples")[1]]] = True
    return apart(torch.cat([aside[block.long() - low] for block in blocks]))


def apart(aside: Tensor) -> tuple[Tensor, Tensor]:
    """The places where it is false, and those where it is true."""
    kept, chosen = np.flatnonzero(~aside.numpy()), np.flatnonzero(aside.numpy())  # many times as fast as torch's
    return torch.from_numpy(kept), torch.from_numpy(chosen)
