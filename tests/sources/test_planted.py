"""Known features in real data."""

import numpy as np
import pytest
import torch

import sparsight
from sparsight.core import Source
from sparsight.errors import SparsightError
from sparsight.job import Recipe, prepare
from sparsight.meters.shape import moran, participation_ratio
from sparsight.sources.planted import Planted
from sparsight.spec import build


def digits(n: int = 2_000) -> Source:
    return build("source", "digits").take(torch.arange(n))


def test_what_is_planted_is_the_difference_to_the_data() -> None:
    source = digits()
    planted = sparsight.plant(source, n=3, share=0.1, size=0.5, seed=4)
    ids = torch.arange(len(source))
    codes, added = planted.codes(ids).dense(), planted.gather(ids) - source.gather(ids)
    torch.testing.assert_close(added, codes @ planted.truth(), atol=1e-5, rtol=0)
    torch.testing.assert_close(planted.truth().norm(dim=1), torch.ones(3))
    x = source.gather(ids).double()
    power = float((x - x.mean(0)).square().sum(1).mean())
    assert float(codes[codes > 0].double().square().mean()) == pytest.approx(0.5 * power, rel=0.05)
    assert float((codes > 0).double().mean()) == pytest.approx(0.1, abs=0.012)
    assert np.abs(np.corrcoef((codes > 0).numpy().T) - np.eye(3)).max() < 0.08
    assert float(codes.max() / codes[codes > 0].min()) < 3


def test_everything_else_is_that_of_the_source() -> None:
    source = digits()
    planted = sparsight.plant(source)
    assert planted.schema == source.schema
    assert planted.labels() is source.labels()
    assert planted.fingerprint() not in (source.fingerprint(), sparsight.plant(source, seed=1).fingerprint())
    test, plain = planted.test_part(), source.test_part()
    assert test is not None and plain is not None
    assert len(test) == len(plain)
    labels, same = test.labels(), plain.labels()
    assert labels is not None and same is not None and torch.equal(labels, same)
    assert torch.equal(test.truth(), planted.truth())
    assert not torch.equal(test.codes(torch.arange(500)).dense(), planted.codes(torch.arange(500)).dense())


def test_a_recipe_can_hold_it() -> None:
    made = build("source", {"name": "planted", "source": {"name": "digits", "part": "test"}, "n": 2})
    assert isinstance(made, Planted)
    assert len(made) == 2_000
    with pytest.raises(SparsightError, match="all samples are equal"):
        sparsight.plant(build("source", "arrays", data=np.ones((5, 3))))


def test_a_trained_model_finds_what_was_planted() -> None:
    planted = sparsight.plant(digits(), n=4, share=0.05, size=1.0)
    train = {"epochs": 4.0, "batch_size": 64, "lr": 5e-3}
    recipe = {"n_latents": 64, "architecture": {"name": "topk", "k": 8}, "train": train}
    job = prepare(Recipe.parse(recipe), planted)
    job.trainer.fit(job.source)
    assert job.held_out is not None
    rows = sparsight.recovery(job.sae, job.held_out)
    assert min(row["cosine"] for row in rows) > 0.8 > 0.2 > max(row["null.cosine"] for row in rows)
    assert min(row["auc"] for row in rows) > 0.99


def test_what_is_planted_under_a_window_is_local_and_smooth_and_lies_where_samples_differ() -> None:
    source = digits()
    wide, local = sparsight.plant(source, n=30), sparsight.plant(source, n=30, window=3.0)
    assert local.fingerprint() != wide.fingerprint()
    torch.testing.assert_close(local.truth().norm(dim=1), torch.ones(30))
    assert float(moran(local.truth(), (28, 28)).median()) > 0.6 > 0.2 > float(moran(wide.truth(), (28, 28)).median())
    assert float(participation_ratio(local.truth()).median()) < 0.08
    varies = source.gather(torch.arange(len(source))).std(0) > 0.02
    assert float(local.truth()[:, varies].square().sum(1).median()) > 0.9


def test_a_window_needs_pictures() -> None:
    table = build("source", "arrays", data=torch.randn(50, 8))
    with pytest.raises(SparsightError, match="are no pictures"):
        sparsight.plant(table, window=2.0)
