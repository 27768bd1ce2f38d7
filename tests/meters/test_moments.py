import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sparsight.errors import SparsightError
from sparsight.meters.moments import KEPT, Moments, precise


def rows(n: int, width: int = 4, seed: int = 0, offset: float = 0.0) -> Tensor:
    return offset + torch.randn(n, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def measured(x: Tensor, weight: Tensor | None = None) -> Moments:
    moments = Moments(x.shape[1])
    moments.update(x, weight=weight)
    return moments


def assert_equal(a: Moments, b: Moments) -> None:
    assert (a.n, a.n_bad, a.bad_ids) == (b.n, b.n_bad, b.bad_ids)
    assert a.weight == pytest.approx(b.weight, rel=1e-12)
    assert a.row_sum_error == b.row_sum_error
    for name in ("mean", "variance", "low", "high"):
        torch.testing.assert_close(getattr(a, name), getattr(b, name), rtol=1e-12, atol=1e-12)


def test_moments_are_those_of_all_rows():
    x = rows(100)
    moments = measured(x)
    torch.testing.assert_close(moments.mean, x.mean(0))
    torch.testing.assert_close(moments.variance, x.var(0, correction=0))
    assert torch.equal(moments.low, x.amin(0)) and torch.equal(moments.high, x.amax(0))
    assert moments.n == moments.weight == 100


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=6), st.booleans(), st.integers(0, 99))
def test_merging_equals_one_pass(sizes: list[int], weighted: bool, seed: int):
    x = rows(sum(sizes), seed=seed, offset=100.0)
    weight = torch.rand(len(x), generator=torch.Generator().manual_seed(seed)).double() if weighted else None
    merged = Moments(4)
    for i, part in enumerate(x.split(sizes)):
        shard = Moments(4)
        shard.update(part, weight=None if weight is None else weight.split(sizes)[i])
        merged.merge(shard)
    assert_equal(merged, measured(x, weight))


def test_the_variance_survives_a_large_mean():
    x = rows(1000, offset=1e8)
    moments = Moments(4)
    for part in x.split(7):
        moments.update(part)
    torch.testing.assert_close(moments.variance, (x - 1e8).var(0, correction=0), rtol=1e-6, atol=0)


def test_equal_values_have_exactly_no_variance():
    moments = Moments(3)
    for n in (10, 7, 3):
        moments.update(torch.full((n, 3), 0.1))
    assert moments.variance.tolist() == [0, 0, 0]


def test_a_whole_weight_is_that_many_rows():
    x, weight = rows(5), torch.tensor([1, 0, 3, 2, 1])
    weighted, repeated = measured(x, weight), measured(x.repeat_interleave(weight, dim=0))
    assert weighted.weight == repeated.weight == 7
    for name in ("mean", "variance", "low", "high"):
        torch.testing.assert_close(getattr(weighted, name), getattr(repeated, name))


def test_bad_rows_are_named_and_left_out():
    x = rows(6)
    x[1, 2], x[4, 0], x[5, 3] = math.nan, math.inf, -math.inf
    moments = Moments(4)
    moments.update(x, ids=torch.arange(10, 16))
    assert (moments.n, moments.n_bad, moments.bad_ids) == (3, 3, [11, 14, 15])
    torch.testing.assert_close(moments.mean, x[[0, 2, 3]].mean(0))


def test_without_ids_rows_are_numbered_through_the_stream():
    x = rows(9)
    x[2], x[7] = math.nan, math.nan
    moments = Moments(4)
    for part in x.split(4):
        moments.update(part)
    assert moments.bad_ids == [2, 7]


def test_only_the_first_bad_ids_are_kept():
    moments = Moments(2)
    for _ in range(3):
        moments.update(torch.full((KEPT - 1, 2), math.nan))
    assert moments.n_bad == 3 * (KEPT - 1)
    assert moments.bad_ids == list(range(KEPT))


def test_row_sum_error_is_that_of_the_worst_row():
    moments = Moments(2)
    moments.update(torch.tensor([[0.5, 0.5]]))
    assert moments.row_sum_error == 0
    moments.update(torch.tensor([[0.25, 0.5], [1.0, 0.0]]))
    assert moments.row_sum_error == 0.25


def test_nothing_seen_has_no_spread():
    moments = Moments(2)
    moments.update(torch.zeros(0, 2))
    moments.merge(Moments(2))
    assert moments.variance.tolist() == [0, 0]
    assert moments.low.tolist() == [math.inf, math.inf]


def test_merging_leaves_the_other_alone():
    a, b = measured(rows(5)), measured(rows(7, seed=1))
    before = b.mean.clone(), b.variance.clone()
    a.merge(b)
    a.update(rows(3, seed=2))
    assert torch.equal(b.mean, before[0]) and torch.equal(b.variance, before[1]) and b.n == 7


def test_precise_leaves_the_graph():
    x = torch.ones(2, requires_grad=True)
    assert precise(x).dtype == torch.float64 and not precise(x).requires_grad


def test_wrong_shapes_are_named():
    moments = Moments(4)
    with pytest.raises(SparsightError, match="rows of 4 values"):
        moments.update(rows(3, 5))
    with pytest.raises(SparsightError, match="one weight each"):
        moments.update(rows(3), weight=torch.ones(4))
    with pytest.raises(SparsightError, match="one id each"):
        moments.update(rows(3), ids=torch.arange(2))
