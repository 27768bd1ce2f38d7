"""The parts of the verdict, each on its own."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional

from sparsight.claims._intervals import bootstrap, mean_of, share_of
from sparsight.claims._real import NEARER, SHAPED, STABLE, Facts, matched, nearest, non_normal, stability
from sparsight.core import generator

GOOD = Facts(
    stability=torch.tensor([0.97]),
    nearest_null=torch.tensor([0.5]),
    non_normal=torch.tensor([0.1]),
    non_normal_null=0.005,
    firings=torch.tensor([50.0]),
    response=torch.tensor([0.8]),
    response_null=0.1,
)


def test_a_feature_that_passes_all_is_real() -> None:
    assert GOOD.real().tolist() == [True]


@pytest.mark.parametrize(
    ("fact", "value", "failed"),
    [
        ("stability", STABLE - 0.01, "stable"),
        ("nearest_null", 1 - 0.03 / NEARER + 0.01, "not of null data"),
        ("non_normal", SHAPED / 2, "not normal"),
        ("firings", 9.0, "fires"),
        ("response", 0.05, "causal"),
    ],
)
def test_each_fact_alone_makes_a_feature_unreal(fact: str, value: float, failed: str) -> None:
    facts = dataclasses.replace(GOOD, **{fact: torch.tensor([value])})
    assert facts.real().tolist() == [False]
    assert [name for name, passed in facts.reasons().items() if not passed[0]] == [failed]


def test_nothing_that_is_not_a_number_passes_but_a_response_that_was_not_measured() -> None:
    nan = torch.tensor([torch.nan])
    for fact in ("stability", "nearest_null", "non_normal", "firings"):
        assert not dataclasses.replace(GOOD, **{fact: nan}).real().any()
    assert dataclasses.replace(GOOD, response=nan).real().all()


def test_a_feature_has_the_cosine_of_its_own_partner_and_two_share_none() -> None:
    rows = torch.eye(3)[[0, 0, 1]] + 0.01 * torch.randn(3, 3, generator=generator(0))
    others = 5 * torch.eye(3)
    found = matched(rows, others)
    assert found.sort(descending=True).values.tolist() == pytest.approx([1, 1, 0], abs=0.05)
    assert matched(rows, others[:1]).count_nonzero() == 1
    again = [torch.eye(3), torch.eye(3), -torch.eye(3)]
    assert stability(torch.eye(3), again).tolist() == pytest.approx([1, 1, 1])
    assert nearest(torch.eye(3)[:1], [-torch.eye(3), torch.ones(1, 3)]).item() == pytest.approx(3**-0.5)


def test_projections_of_gaussian_data_are_normal_and_those_on_a_sparse_feature_are_not() -> None:
    dice = generator(3)
    direction = functional.normalize(torch.randn(1, 20, generator=dice), dim=1)
    filters = torch.cat([direction, torch.randn(5, 20, generator=dice)])
    x = torch.randn(4_000, 20, generator=dice)
    assert float(non_normal(filters, x).max()) < 0.003
    fires = torch.rand(4_000, 1, generator=dice) < 0.05
    found = non_normal(filters, x + 5 * fires * direction)
    assert found[0] > 0.1 > 10 * float(found[1:].min())
    assert non_normal(torch.zeros(1, 20), x).item() == 0


def test_intervals_cover_what_they_should() -> None:
    dice, hits, shares = np.random.default_rng(0), 0, 0
    for seed in range(200):
        values = dice.normal(1.0, 2.0, 60)
        low, high = bootstrap(60, lambda times, values=values: times @ values / 60, seed=seed)
        hits += low <= 1.0 <= high
        low, high = share_of(int(dice.binomial(30, 0.2)), 30)
        shares += low <= 0.2 <= high
    assert 0.89 <= hits / 200 <= 0.99
    assert 0.89 <= shares / 200 <= 0.99
    assert mean_of(np.array([2.0])) == (2.0, 2.0, 2.0)
    mean, low, high = mean_of(np.array([1.0, 2.0, 3.0]))
    assert (mean, low, high) == pytest.approx((2.0, 2 - 2.484, 2 + 2.484), abs=0.01)
