import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from toys import toy_job, toy_source

from sparsight.core import SAE
from sparsight.core.sampling import spread
from sparsight.views import samples


@pytest.fixture(scope="module")
def sae() -> SAE:
    job = toy_job("topk", train={"epochs": 10.0})
    job.trainer.fit(job.source)
    return job.sae


def test_samples_are_chosen_from_every_class_in_turn() -> None:
    source = toy_source(labels=np.repeat([0, 1, 2], [500, 10, 2]))
    assert samples.chosen(source, 5).tolist() == [0, 500, 510, 1, 501]
    assert samples.chosen(toy_source(), 3).tolist() == [0, 256, 511]
    assert samples.chosen(toy_source(labels=[None] * 512), 3).tolist() == [0, 256, 511]


def test_reconstructions_stand_between_the_sample_and_the_difference(sae: SAE) -> None:
    ids = torch.arange(6)
    picture = samples.reconstructions(sae, toy_source(), ids)
    assert picture is not None and picture.shape == (3 * 5 + 1, 6 * 5 + 1, 3)
    raw = toy_source().gather(ids)
    low, high = float(raw.min()), float(raw.max())
    first = picture[1:5, 1:5, 0] / 255
    np.testing.assert_allclose(first, (raw[0].view(4, 4) - low) / (high - low), atol=1 / 255)
    assert samples.reconstructions(sae, toy_source(pictures=False), ids) is None


def test_a_sample_is_built_from_its_largest_parts_and_ends_with_itself(sae: SAE) -> None:
    source = toy_source()
    built = samples.build_up(sae, source, 3, 4)
    codes = sae.transform(source.gather(torch.tensor([3]))).dense()[0].detach()
    size = codes * sae.W_dec.detach().norm(dim=1)
    assert built["features"] == size.argsort(descending=True)[: len(built["features"])].tolist()
    assert built["codes"] == codes[built["features"]].tolist()
    columns = len(built["features"]) + 3
    assert built["picture"].shape == (2 * 5 + 1, columns * 5 + 1, 3)
    raw = source.gather(torch.tensor([3]))[0]
    last = built["picture"][1:5, -5:-1, 0] / 255
    np.testing.assert_allclose(last, ((raw - raw.min()) / (raw.max() - raw.min())).view(4, 4), atol=1 / 255)


def test_a_sample_with_more_features_than_fire_is_complete(sae: SAE) -> None:
    built = samples.build_up(sae, toy_source(), 3, 1000)
    sums, whole = built["picture"][1:5, -15:-11], built["picture"][1:5, -10:-6]
    np.testing.assert_allclose(sums.astype(int), whole.astype(int), atol=1)


def test_codes_lie_in_a_plane_by_principal_components(sae: SAE, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    plane = samples.plane(sae, toy_source(labels=np.arange(512) % 2), n=100)
    assert plane["method"] == "PCA"
    assert plane["points"].shape == (100, 2)
    assert plane["groups"].tolist() == (spread(512, 100) % 2).tolist()
    extent = plane["points"].std(0)
    assert extent[0] >= extent[1] > 0


def test_where_umap_is_installed_it_makes_the_plane_of_more_samples_than_its_neighbours(
    sae: SAE, monkeypatch: pytest.MonkeyPatch
) -> None:
    def umap(*, n_neighbors: int, random_state: int, n_jobs: int) -> Any:
        assert (n_neighbors, random_state, n_jobs) == (15, 0, 1)
        return SimpleNamespace(fit_transform=lambda codes: -codes[:, :2].astype(np.float32))

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=umap))
    plane = samples.plane(sae, toy_source(), n=16)
    codes = sae.transform(toy_source().gather(spread(512, 16))).dense().detach()
    assert plane["method"] == "UMAP"
    np.testing.assert_array_equal(plane["points"], -codes[:, :2].numpy())
    assert samples.plane(sae, toy_source(), n=15)["method"] == "PCA"
