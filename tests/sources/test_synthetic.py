"""Samples whose true features are known."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from sparsight.core import Codes
from sparsight.errors import SparsightError
from sparsight.meters.supports import Absorption
from sparsight.sources import open_source
from sparsight.sources.synthetic import CHILD, CORRELATION, MEMBERS, Synthetic
from sparsight.spec import build

SMALL = {"width": 16, "n_atoms": 40, "active": 4.0, "n_samples": 20_000}


def source(**knobs: Any) -> Synthetic:
    return build("source", {"name": "synthetic", **SMALL, **knobs})


def fires(made: Synthetic) -> np.ndarray:
    return (made.codes(torch.arange(len(made))).dense() > 0).double().numpy()


def test_a_sample_is_the_sum_of_its_atoms_and_noise() -> None:
    made = source(noise=0.5)
    ids = torch.arange(20_000)
    rest = made.gather(ids) - made.codes(ids).dense() @ made.truth()
    torch.testing.assert_close(made.truth().norm(dim=1), torch.ones(40))
    assert float(rest.mean()) == pytest.approx(0, abs=0.005)
    assert float(rest.std()) == pytest.approx(0.5, rel=0.01)
    assert float((rest / 0.5).pow(4).mean()) == pytest.approx(3, rel=0.03)
    assert np.abs(np.corrcoef(rest.numpy().T) - np.eye(16)).max() < 0.04
    clean = source(noise=0.0)
    torch.testing.assert_close(clean.gather(ids[:9]), clean.codes(ids[:9]).dense() @ clean.truth())


def test_a_sample_depends_on_seed_and_number_alone() -> None:
    made, more = source(), source(n_samples=10**9)
    ids = torch.tensor([3, 19_999, 3, 0])
    torch.testing.assert_close(made.gather(ids), more.gather(ids), rtol=0, atol=0)
    torch.testing.assert_close(made.gather(ids[1:2])[0], made.gather(ids)[1], rtol=0, atol=0)
    assert not torch.equal(made.gather(ids), source(seed=1).gather(ids))
    assert not torch.equal(made.truth(), source(seed=1).truth())
    assert more.gather(torch.tensor([10**9 - 1])).isfinite().all()


@pytest.mark.parametrize("zipf", [0.0, 1.0])
@pytest.mark.parametrize("firing", ["independent", "correlated", "hierarchical"])
def test_atoms_fire_as_often_as_they_say(firing: str, zipf: float) -> None:
    made = source(firing=firing, zipf=zipf)
    rate, found = made.rate().numpy(), fires(made).mean(0)
    assert rate.sum() == pytest.approx(4)
    assert rate.max() < 1
    spread = np.sqrt(rate * (1 - rate) / len(made))
    assert np.abs((found - rate) / spread).max() < 4
    if not zipf and firing != "hierarchical":
        np.testing.assert_allclose(rate, 0.1)
    if zipf and firing == "independent":
        times = -np.log1p(-rate)
        np.testing.assert_allclose(times * np.arange(1, 41), times[0])


def test_independent_atoms_do_not_know_of_each_other() -> None:
    found = np.corrcoef(fires(source()).T)
    assert np.abs(found - np.eye(40)).max() < 5 / math.sqrt(20_000)


def test_correlated_atoms_fire_together_within_their_group() -> None:
    found = np.corrcoef(fires(source(firing="correlated")).T)
    group = np.arange(40) // MEMBERS
    within = (group[:, None] == group) & ~np.eye(40, dtype=bool)
    assert np.abs(found[within] - CORRELATION).max() < 0.05
    assert np.abs(found[group[:, None] != group]).max() < 0.04


def test_a_child_fires_only_with_its_parent() -> None:
    made = source(firing="hierarchical", n_atoms=38)  # the last group is cut short
    found, parents = fires(made), made.parents().numpy()
    child = parents >= 0
    assert child.sum() == 30
    parent = found[:, parents[child]]
    assert (found[:, child] <= parent).all()
    np.testing.assert_allclose(found[:, child].sum(0) / parent.sum(0), CHILD, atol=0.05)
    assert (source().parents() == -1).all()


def test_a_model_that_is_the_truth_absorbs_nothing() -> None:
    made = source(firing="hierarchical", active=6.0)
    truth = made.codes(torch.arange(2_000))
    meter = Absorption(torch.arange(40), made.parents())
    meter.update(truth, truth)
    assert meter.result() == {"absorption": 0.0, "null.absorption": 0.0}
    codes = truth.dense()
    codes[:, 0] *= codes[:, 1] == 0  # the first parent keeps silent where its first child fires
    meter = Absorption(torch.arange(40), made.parents())
    meter.update(truth, Codes(codes, 40))
    assert meter.rate[0] == 1
    assert float(meter.rate[1:4].mean()) == pytest.approx(CHILD, abs=0.05), "and so in as many of its sisters' samples"
    assert meter.result()["null.absorption"] == 0


@pytest.mark.parametrize(("magnitudes", "square"), [("exponential", 2.0), ("uniform", 13 / 12), ("heavy", 4 / 3)])
def test_magnitudes_have_a_mean_of_one(magnitudes: str, square: float) -> None:
    values = source(magnitudes=magnitudes).codes(torch.arange(20_000)).values.double()
    assert (values > 0).all()
    assert float(values.mean()) == pytest.approx(1, rel=0.02)
    assert float(values.square().mean()) == pytest.approx(square, rel=0.15 if magnitudes == "heavy" else 0.03)
    if magnitudes == "heavy":
        assert float((values > 3).double().mean()) == pytest.approx((2 / 9) ** 3, rel=0.15)


def test_the_test_part_has_the_same_atoms_and_other_samples() -> None:
    made = source(n_samples=100)
    test = made.test_part()
    assert isinstance(test, Synthetic)
    assert torch.equal(test.truth(), made.truth())
    assert torch.equal(test.gather(torch.tensor([0])), source().gather(torch.tensor([100])))
    assert test.test_part() is None
    assert len({made.fingerprint(), test.fingerprint(), source(n_samples=100, noise=0.1).fingerprint()}) == 3


def test_presets_open_by_name() -> None:
    assert open_source("synthetic-small") == {"name": "synthetic"}
    large = build("source", open_source("synthetic-large"))
    assert (large.schema.n_inputs, large.n_atoms, float(large.rate().sum())) == (768, 2048, pytest.approx(20))


def test_more_atoms_than_there_are_cannot_fire() -> None:
    with pytest.raises(SparsightError, match="active is 50 where at most 40 atoms can fire"):
        source(active=50.0)
