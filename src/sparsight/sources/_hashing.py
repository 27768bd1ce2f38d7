"""Random numbers that are functions of a number and a counter, so that any of them can be had without the others."""

import numpy as np

from sparsight.core.hashing import mixed


def hashed(seed: int, purpose: int, number: np.ndarray, counter: np.ndarray) -> np.ndarray:
    """64 random bits for every (seed, purpose, number, counter): SplitMix64 (Steele, Lea & Flood 2014), three times.

    Args:
        seed: of everything.
        purpose: below 64; what is drawn for one says nothing of another.
        number: of samples, whole; shapes are broadcast.
        counter: of draws for a sample.
    """
    key = mixed(np.array([seed * 64 + purpose], np.uint64))
    return mixed(mixed(number.astype(np.uint64) ^ key) + counter.astype(np.uint64))


def uniform(bits: np.ndarray) -> np.ndarray:
    """Between 0 and 1, and neither, float64."""
    return ((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
