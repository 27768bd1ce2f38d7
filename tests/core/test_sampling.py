"""Orders are permutations, depend on their key alone, and are as uniform as chance."""

import numpy as np
import pytest
import torch
from scipy.stats import chi2

from sparsight.core import sampling
from sparsight.core.sampling import orders, permuted, set_aside, set_groups_aside, shuffled

P = 1e-4
"""Tests of randomness fail at this probability; they are the same in every run."""


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 10, 16, 17, 97, 100, 999, 1_000, 4_096, 4_097, 65_537, 300_007])
def test_what_is_computed_place_by_place_is_a_permutation(n: int) -> None:
    found = permuted(n, np.arange(n), 3, 1, 4)
    np.testing.assert_array_equal(np.sort(found), np.arange(n))
    places = np.array([n - 1, 0, n // 2])
    np.testing.assert_array_equal(permuted(n, places, 3, 1, 4), found[places])


def test_it_differs_by_every_part_of_the_key() -> None:
    places = np.arange(1_000)
    orders = [permuted(10**9, places, *key).tolist() for key in ((0, 1, 0), (1, 1, 0), (0, 2, 0), (0, 1, 1))]
    assert len({tuple(order) for order in orders}) == 4
    shared = len(set(orders[0]) & set(orders[1]))
    assert shared <= 3, "of 1,000 among a billion about none are shared"


def chi_squared(counts: np.ndarray) -> float:
    """The probability of counts at least as uneven as these, [rows, columns]."""
    expected = counts.sum(1, keepdims=True) * counts.sum(0) / counts.sum()
    rows, columns = counts.shape
    return float(chi2.sf(((counts - expected) ** 2 / expected).sum(), (rows - 1) * (columns - 1)))


@pytest.mark.parametrize("key", range(3))
@pytest.mark.parametrize("n", [2**18, 10**6 + 3])
def test_every_sample_is_as_likely_at_every_place(n: int, key: int) -> None:
    found = permuted(n, np.arange(n), key)
    table = np.histogram2d(np.arange(n), found, bins=(50, 60))[0]
    assert P < chi_squared(table) < 1 - P


@pytest.mark.parametrize("distance", [1, 2, 64, 1_024])
def test_what_follows_says_nothing_of_what_came(distance: int) -> None:
    n = 10**6 + 3
    found = permuted(n, np.arange(n), 5)
    pairs = np.histogram2d(found[:-distance], found[distance:], bins=(60, 60))[0]
    assert P < chi_squared(pairs) < 1 - P
    steps = np.histogram((found[distance:] - found[:-distance]) % 97, bins=97)[0]
    assert P < chi2.sf(((steps - steps.mean()) ** 2 / steps.mean()).sum(), 96) < 1 - P


def test_orders_of_two_seeds_and_of_two_epochs_are_independent() -> None:
    n = 2**18
    first = permuted(n, np.arange(n), 0, 1, 0)
    for key in ((1, 1, 0), (0, 1, 1)):
        both = np.histogram2d(first, permuted(n, np.arange(n), *key), bins=(60, 60))[0]
        assert P < chi_squared(both) < 1 - P


def test_the_fixed_points_are_as_many_as_chance_has() -> None:
    counts = [(permuted(500, np.arange(500), key) == np.arange(500)).sum() for key in range(400)]
    assert 0.8 < np.mean(counts) < 1.2, "one on average, as many as derangements allow"
    assert 0.6 < np.var(counts) < 1.4


def test_small_orders_are_what_they_always_were() -> None:
    found = torch.cat([batch for batch, _ in zip(orders(10, 4, 0, 0), range(5), strict=False)])
    expected = np.concatenate([shuffled(10, 0, 1, epoch) for epoch in (0, 1)])
    np.testing.assert_array_equal(found.numpy(), expected)


@pytest.mark.parametrize("start", [0, 1, 7, 25, 26, 300])
def test_a_large_order_goes_on_at_any_step(start: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "WHOLE", 50)
    whole = orders(101, 4, 2, 0)
    for _ in range(start):
        next(whole)
    resumed = orders(101, 4, 2, start)
    for _ in range(60):  # over the ends of epochs, and more than one epoch in a batch
        assert torch.equal(next(whole), next(resumed))


def test_a_large_order_has_every_sample_once_in_each_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "WHOLE", 50)
    dealt = orders(101, 4, 2, 0)
    epochs = torch.cat([next(dealt) for _ in range(101)]).split(101)
    for epoch in epochs:
        assert epoch.sort().values.tolist() == list(range(101))
    assert not torch.equal(epochs[0], epochs[1])
    batch = next(orders(3 + sampling.WHOLE, 200, 2, 0))
    assert batch.bincount(minlength=53).max() <= 4, "a batch of several epochs"


def test_a_batch_of_a_billion_samples_takes_no_memory_for_the_others() -> None:
    batch = next(orders(10**12, 4_096, 0, 10**6))
    assert len(batch.unique()) == 4_096
    assert int(batch.max()) < 10**12


def test_large_splits_are_as_exact_as_small_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "WHOLE", 50)
    kept, aside = set_aside(1_001, 0.1, 0)
    assert len(aside) == 101
    assert torch.cat([kept, aside]).sort().values.tolist() == list(range(1_001))
    assert kept.tolist() == sorted(kept.tolist())


def test_groups_are_set_aside_alike_whatever_their_numbers_are() -> None:
    group = torch.tensor([5, 5, 9, 7, 7, 9, 5, 8, 8, 6])
    kept, aside = set_groups_aside(group, 0.4, 0)
    assert len(group[aside].unique()) == 2
    assert not set(group[kept].tolist()) & set(group[aside].tolist())
    for numbers in (group * 10**12 - 3, 20 - group):
        found = set_groups_aside(numbers, 0.4, 0)[1]
        assert len(numbers[found].unique()) == 2
    assert torch.equal(set_groups_aside(group * 10**12, 0.4, 0)[1], aside), "by a table and by sorting"
