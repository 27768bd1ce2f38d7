"""Intervals of 95 %."""

from collections.abc import Callable

import numpy as np

DRAWS = 1_000


def bootstrap(n: int, figure: Callable[[np.ndarray], np.ndarray], *, seed: int = 0) -> tuple[float, float]:
    """The middle 95 % of a figure over samples drawn with replacement (Efron 1979).

    Args:
        n: samples.
        figure: from how often each sample was drawn, [d, n], to the figure of each draw, [d].
        seed: of the draws; paired figures are those of one seed.
    """
    dice = np.random.default_rng(seed)
    found = [figure(dice.multinomial(n, np.full(n, 1 / n), size=100).astype(np.float64)) for _ in range(DRAWS // 100)]
    low, high = np.nanquantile(np.concatenate(found), [0.025, 0.975])
    return float(low), float(high)


def mean_of(values: np.ndarray) -> tuple[float, float, float]:
    """The mean of a few values, and Student's interval of it."""
    from scipy.stats import t

    mean = float(values.mean())
    if len(values) < 2:
        return mean, mean, mean
    half = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return mean, mean - half, mean + half


def share_of(hits: int, n: int) -> tuple[float, float]:
    """Wilson's interval of a share (1927)."""
    if not n:
        return 0.0, 1.0
    z, p = 1.959964, hits / n
    middle, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return float((middle - half) / (1 + z**2 / n)), float((middle + half) / (1 + z**2 / n))
