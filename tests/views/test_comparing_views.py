"""Features of runs beside their partners."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from toys import D, F, samples, toy_job

from sparsight.atlas import survey
from sparsight.core import SAE, Atlas
from sparsight.errors import SparsightError
from sparsight.spec import build
from sparsight.views import comparing
from sparsight.views.comparing import Match, alone, matched, mean_cosine, order, overall, page


@pytest.fixture(scope="module")
def sae() -> SAE:
    return toy_job("topk", train={"epochs": 1.0}).sae


@pytest.fixture(scope="module")
def atlas(sae: SAE) -> Atlas:
    return survey(sae, toy_job("topk").source, fits=0)


def reordered(sae: SAE, order: torch.Tensor) -> SAE:
    """The same features in another order, or some of them."""
    other = toy_job("topk", n_latents=len(order)).sae
    with torch.no_grad():
        other.W_dec.copy_(sae.W_dec[order])
    return other


def match(partner: list[int], cosine: list[float], alone: tuple[int, ...] = ()) -> Match:
    return Match(partner=np.array(partner), cosine=np.array(cosine), alone=np.array(alone, int), null=0.1)


NONE = float("nan")


def test_the_partner_of_a_feature_is_itself_in_a_model_of_another_order(sae: SAE) -> None:
    shuffled = torch.randperm(F, generator=torch.Generator().manual_seed(3))
    found = matched(sae, reordered(sae, shuffled))
    np.testing.assert_array_equal(shuffled.numpy()[found.partner], np.arange(F))
    np.testing.assert_allclose(found.cosine, 1.0, atol=1e-6)
    assert len(found.alone) == 0
    assert found.null < 0.7


def test_features_that_the_smaller_model_lacks_have_no_partner(sae: SAE) -> None:
    kept = torch.tensor([2, 5, 7])
    found = matched(sae, reordered(sae, kept))
    assert np.flatnonzero(found.partner >= 0).tolist() == [2, 5, 7]
    assert np.isnan(found.cosine).sum() == F - 3
    back = matched(reordered(sae, kept), sae)
    assert back.partner.tolist() == [2, 5, 7]
    assert back.alone.tolist() == [n for n in range(F) if n not in (2, 5, 7)]
    assert alone([found], 0).tolist() == back.alone.tolist()
    assert alone([back], 1).tolist() == back.alone.tolist()
    assert overall([back], [])["others"][0] == {
        "cosine": pytest.approx(1.0), "null": back.null, "paired": 3, "alone": F - 3,
    }  # fmt: skip


def test_partners_are_found_in_the_units_of_the_data() -> None:
    uneven = build("source", "arrays", data=samples() * torch.linspace(1, 9, D))
    scaled, raw = toy_job("topk", uneven, preprocess=["standardise"]).sae, toy_job("topk", uneven).sae
    with torch.no_grad():
        raw.W_dec.copy_(scaled.filters()["decoder"])
    np.testing.assert_allclose(matched(scaled, raw).cosine, 1.0, atol=1e-6)
    with torch.no_grad():
        raw.W_dec.copy_(scaled.W_dec)
    assert matched(scaled, raw).cosine.mean() < 0.95


def test_models_of_other_data_have_no_pairs(sae: SAE) -> None:
    narrow = toy_job("topk", build("source", "arrays", data=samples()[:, :9])).sae
    with pytest.raises(SparsightError, match="samples of 16 numbers and the other of 9"):
        matched(sae, narrow)


def test_pairs_are_sorted_by_their_mean_cosine_or_by_id_and_those_without_come_last() -> None:
    one = match([0, 1, -1, 2, -1], [0.5, 0.9, NONE, 0.1, NONE])
    two = match([0, 1, 2, 3, -1], [0.9, 0.7, 0.6, 0.3, NONE])
    np.testing.assert_allclose(mean_cosine([one, two]), [0.7, 0.8, 0.6, 0.2, NONE])
    assert order([one, two], "cosine", True).tolist() == [1, 0, 2, 3, 4]
    assert order([one, two], "cosine", False).tolist() == [3, 2, 0, 1, 4]
    assert order([one], "id", True).tolist() == [4, 3, 2, 1, 0]
    with pytest.raises(SparsightError, match="by id or by cosine, and not by 'rate'"):
        order([one], "rate", True)


def test_pages_follow_each_other_and_hold_the_measures_of_both(sae: SAE, atlas: Atlas) -> None:
    shuffled = torch.randperm(F, generator=torch.Generator().manual_seed(3))
    other = reordered(sae, shuffled)
    others = survey(other, toy_job("topk").source, fits=0)
    matches = [matched(sae, other)]
    all_ = page(matches, [atlas, others], sort="id", down=False, count=F)
    assert json.loads(json.dumps(all_, allow_nan=False)) == all_
    parts = [page(matches, [atlas, others], sort="id", down=False, start=at, count=10) for at in (0, 10, 20)]
    assert [row for part in parts for row in part] == all_
    assert [row["id"] for row in all_] == list(range(F))
    for row in all_:
        (partner,) = row["partners"]
        assert shuffled[partner["id"]] == row["id"]
        assert row["measures"]["rate"] == pytest.approx(atlas["rate"][row["id"]], rel=1e-3)
        assert partner["measures"]["rate"] == pytest.approx(others["rate"][partner["id"]], rel=1e-3)
    assert page(matches, [atlas, others], start=F, count=10) == []


def test_measures_are_those_that_all_runs_have(sae: SAE, atlas: Atlas) -> None:
    matches = [matched(sae, sae)]
    few = Atlas({"rate": atlas.columns["rate"]}, {}, {})
    known = overall(matches, [atlas, few])
    assert list(known["known"]) == known["usual"] == ["rate"]
    assert known["known"]["rate"]["about"] == atlas.columns["rate"].about
    assert "max" in page(matches, [atlas, atlas], asked=["max"])[0]["partners"][0]["measures"]
    with pytest.raises(SparsightError, match=r"not every run has the measure 'max'; all have: rate$"):
        page(matches, [atlas, few], asked=["max"])
    (row, *_) = page(matches, [], count=1)  # without an atlas there are pairs all the same
    assert row["measures"] == row["partners"][0]["measures"] == {}


def test_a_feature_without_a_partner_says_so(sae: SAE, atlas: Atlas) -> None:
    found = match([1, -1], [0.9, NONE], alone=(0,))
    rows = page([found], [], sort="id", down=False)
    assert [row["partners"] for row in rows] == [[{"id": 1, "cosine": 0.9, "measures": {}}], [None]]


def test_the_histogram_holds_every_pair_beside_its_null() -> None:
    drawn = comparing.figures({"<other>": match([0, 1, -1], [0.9, -0.95, NONE])})
    (chart,) = drawn.values()
    words = [text.text for text in ElementTree.fromstring(chart).iter("{http://www.w3.org/2000/svg}text")]
    assert "random directions" in words and "mean" in words and "-1" in words
    bars = ElementTree.fromstring(chart).iter("{http://www.w3.org/2000/svg}rect")
    assert sum(float(bar.get("height", 0)) > 0 for bar in bars) == 2
