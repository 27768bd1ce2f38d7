from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from parts import VOCABULARY, Texts
from sklearn.metrics import mutual_info_score
from toys import D, F, N, samples, toy_job, toy_source

from sparsight.atlas import BINS, edges, survey
from sparsight.core import SAE, Atlas, Source
from sparsight.errors import SparsightError
from sparsight.job import Recipe, prepare
from sparsight.meters import shape
from sparsight.meters.examples import NOTHING
from sparsight.spec import build

CLASSES = 3


def model(architecture: str | dict[str, Any] = "topk") -> SAE:
    job = toy_job(architecture, train={"epochs": 3.0})
    job.trainer.fit(job.source)
    return job.sae


def labelled(**more: Any) -> Source:
    return toy_source(labels=np.arange(N) % CLASSES, **more)


@torch.no_grad()
def codes_of(sae: SAE, source: Source) -> np.ndarray:
    return sae.transform(source.gather(torch.arange(len(source)))).dense().double().numpy()


@pytest.mark.parametrize("architecture", ["topk", "relu_l1", "sigmoid_kl"])
def test_every_streamed_measure_is_its_closed_form(architecture: str) -> None:
    sae, source = model(architecture), labelled()
    atlas, codes = survey(sae, source, fits=0), codes_of(sae, source)
    fires = codes != 0
    with np.errstate(invalid="ignore"):
        lifetime = (1 - codes.mean(0) ** 2 / (codes**2).mean(0)) / (1 - 1 / N)
        mean_firing = codes.sum(0) / fires.sum(0)
    by_class = np.stack([codes[np.arange(N) % CLASSES == c].mean(0) for c in range(CLASSES)], 1)
    population = (1 - codes.mean(1) ** 2 / (codes**2).mean(1).clip(1e-300)) / (1 - 1 / F)
    wanted = {
        "rate": fires.mean(0),
        "mean": codes.mean(0),
        "mean_firing": mean_firing,
        "max": codes.max(0),
        "lifetime_sparsity": lifetime,
        "class_mean": by_class,
    }
    for name, values in wanted.items():
        np.testing.assert_allclose(atlas[name], values, rtol=1e-4, atol=1e-6, err_msg=name)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(atlas["purity"], (by_class / by_class.sum(1, keepdims=True)).max(1), rtol=1e-4)
    assert atlas.columns["purity"].null == pytest.approx(1 / CLASSES)
    bits = [mutual_info_score(np.arange(N) % CLASSES, fires[:, j]) / np.log(2) for j in range(F)]
    np.testing.assert_allclose(atlas["information"], bits, rtol=1e-4, atol=1e-7)
    assert atlas.columns["information"].null == pytest.approx((CLASSES - 1) / (2 * N * np.log(2)))
    assert atlas.figures["l0"] == pytest.approx(fires.sum(1).mean())
    assert atlas.figures["population_sparsity"] == pytest.approx(
        np.where(fires.any(1), population, 1.0).mean(), abs=1e-6
    )


def test_histograms_count_every_code_once_in_the_right_bin() -> None:
    sae, source = model(), labelled()
    atlas, codes = survey(sae, source, fits=0), codes_of(sae, source)
    assert atlas["histogram"].shape == (F, BINS)
    for feature in range(F):
        firing = codes[:, feature][codes[:, feature] != 0].clip(edges()[0], edges()[-1] * 0.999)
        np.testing.assert_array_equal(atlas["histogram"][feature], np.histogram(firing, edges())[0])


def test_examples_are_the_largest_codes_and_a_draw_of_all_that_fire() -> None:
    sae, source = model(), labelled()
    codes = codes_of(sae, source)
    atlas = survey(sae, source, examples=4, fits=0)
    other = survey(sae, source, examples=4, fits=0, seed=1)
    for feature in range(F):
        firing = int((codes[:, feature] != 0).sum())
        top = np.sort(codes[:, feature])[::-1][: min(4, firing)]
        np.testing.assert_allclose(atlas["top_values"][feature][: len(top)], top, rtol=1e-5)
        for found in (atlas, other):
            drawn = found["random_ids"][feature]
            drawn = drawn[drawn != NOTHING]
            assert len(set(drawn.tolist())) == len(drawn) == min(8, firing)
            values = codes[drawn, feature]
            assert (values != 0).all()
            assert (np.diff(values) <= 0).all()
    assert (atlas["random_ids"] != other["random_ids"]).any()
    same = survey(sae, source, examples=4, fits=0)
    np.testing.assert_array_equal(atlas["random_ids"], same["random_ids"])


def test_the_draw_favours_no_sample() -> None:
    sae = model("sigmoid_kl")  # every feature fires in every sample
    ids = survey(sae, labelled(), examples=8, fits=0)["random_ids"]
    assert ids.mean() == pytest.approx((N - 1) / 2, abs=4 * N / np.sqrt(12 * ids.size))


def test_neighbours_are_those_of_the_full_matrices() -> None:
    sae, source = model(), labelled()
    atlas, codes = survey(sae, source, neighbours=3, fits=0), codes_of(sae, source)
    rows = sae.W_dec.detach().numpy()
    cosines = rows @ rows.T / np.outer(*[np.linalg.norm(rows, axis=1)] * 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlations = np.nan_to_num(np.corrcoef(codes.T), nan=-np.inf)
    for full, ids, values in (
        (cosines, "decoder.neighbour_ids", "decoder.neighbour_cosine"),
        (correlations, "together_ids", "together"),
    ):
        np.fill_diagonal(full, -np.inf)
        best = np.sort(full, axis=1)[:, ::-1][:, :3]
        np.testing.assert_allclose(np.nan_to_num(atlas[values], nan=-np.inf), best, rtol=1e-4, atol=1e-5)
        found = np.take_along_axis(full, np.maximum(atlas[ids], 0), 1)
        np.testing.assert_allclose(found[atlas[ids] >= 0], atlas[values][atlas[ids] >= 0], rtol=1e-4, atol=1e-5)


def test_beyond_the_bound_neighbours_are_approximate_and_say_how_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sparsight.atlas.EXACT", F - 1)
    atlas = survey(model(), labelled(), neighbours=3, fits=0)
    assert "% of the true ones" in atlas.columns["decoder.neighbour_ids"].about
    assert "decoder.max_cosine" not in atlas
    assert "together" not in atlas


def test_measures_of_filters_are_those_of_the_meters_with_their_nulls() -> None:
    sae = model()
    atlas = survey(sae, labelled(), fits=5)
    rows = sae.W_dec.detach()
    np.testing.assert_allclose(atlas["decoder.moran"], shape.moran(rows, (4, 4)), rtol=1e-5)
    np.testing.assert_allclose(atlas["encoder.hoyer"], shape.hoyer(sae.W_enc.detach()), rtol=1e-5)
    assert atlas.columns["decoder.moran"].null == pytest.approx(0, abs=0.2)
    assert np.isfinite(atlas["decoder.gabor_r2"]).sum() == 5
    assert atlas.columns["decoder.gabor_r2"].seen == 5
    assert {column.cost for column in atlas.columns.values()} == {"streamed", "sampled", "weights", "fitted"}
    assert all(column.about for column in atlas.columns.values())


def test_without_a_geometry_measures_of_pictures_are_absent_and_without_labels_those_of_classes() -> None:
    job = toy_job("topk", toy_source(pictures=False), train={"epochs": 1.0})
    atlas = survey(job.sae, job.source)
    assert not [name for name in atlas if "moran" in name or "gabor" in name or "radius" in name]
    assert "decoder.participation_ratio" in atlas
    assert "purity" not in atlas
    with pytest.raises(SparsightError, match="has no column 'purity'; there is: "):
        atlas["purity"]


def test_features_of_texts_have_labels_with_scores_and_only_the_words_that_they_need(tmp_path: Path) -> None:
    texts = Texts()
    recipe = {"n_latents": 12, "architecture": {"name": "topk", "k": 2}, "train": {"epochs": 20.0, "batch_size": 64}}
    job = prepare(Recipe.parse(recipe), texts)
    job.trainer.fit(job.source)
    atlas, codes = survey(job.sae, texts, fits=0), codes_of(job.sae, texts)
    vocabulary, tokens = atlas.samples["words"], texts.words()[0].numpy()
    used = np.unique(np.concatenate([atlas["label_ids"].ravel(), atlas["word_ids"].ravel()]))
    assert used[used >= 0].tolist() == list(range(len(vocabulary)))
    assert np.nanmedian(atlas["label_score"]) > 0.7, "each token has a direction of its own"
    assert abs(atlas.columns["label_score"].null or 1) < 0.1
    for feature in range(12):
        label = [vocabulary[n] for n in atlas["label_ids"][feature] if n >= 0]
        inside = np.isin(tokens, [VOCABULARY.index(text) for text in label])
        if label:
            fires = codes[:, feature] != 0
            assert np.corrcoef(inside, fires)[0, 1] == pytest.approx(atlas["label_score"][feature], abs=0.15)
        first = vocabulary[atlas["word_ids"][feature][0]]
        share = codes[tokens == VOCABULARY.index(first), feature].sum() / codes[:, feature].sum()
        assert share == pytest.approx(atlas["word_shares"][feature][0], abs=0.15)
    atlas.save(tmp_path / "atlas")
    assert Atlas.open(tmp_path / "atlas").samples["words"] == vocabulary


def test_features_of_labelled_samples_have_classes_with_scores() -> None:
    sae, source = model(), labelled()
    atlas, fires = survey(sae, source, fits=0), codes_of(sae, source) != 0
    for feature in range(F):
        label = [n for n in atlas["class_ids"][feature] if n >= 0]
        if label and fires[:, feature].any():
            inside = np.isin(np.arange(N) % CLASSES, label)
            assert np.corrcoef(inside, fires[:, feature])[0, 1] == pytest.approx(
                atlas["class_score"][feature], abs=0.25
            )
    assert "label_ids" not in atlas
    assert atlas.samples["words"] is None


def test_labels_of_some_samples_count_for_those_alone() -> None:
    sae = model()
    some: list[int | None] = [n % CLASSES if n < 100 else None for n in range(N)]
    codes = codes_of(sae, labelled())[:100]
    found = survey(sae, toy_source(labels=some), fits=0)
    assert found.samples["classes"] == tuple("012")
    wanted = np.stack([codes[np.arange(100) % CLASSES == c].mean(0) for c in range(CLASSES)], 1)
    np.testing.assert_allclose(found["class_mean"], wanted, rtol=1e-4, atol=1e-7)


def test_samples_of_weight_0_count_nowhere() -> None:
    sae = model()
    weight = np.ones(N)
    weight[N // 2 :] = 0
    half = survey(sae, toy_source().take(torch.arange(N // 2)), fits=0)
    weighted = survey(sae, build("source", "arrays", data=samples(), weight=weight, shape=[4, 4]), fits=0)
    for name in ("rate", "mean", "max", "histogram", "top_ids"):
        np.testing.assert_allclose(weighted[name], half[name], rtol=1e-5, err_msg=name)


def test_an_atlas_comes_back_from_its_folder(tmp_path: Path) -> None:
    atlas = survey(model(), labelled(), fits=2)
    atlas.save(tmp_path / "atlas")
    back = Atlas.open(tmp_path / "atlas")
    assert list(back) == list(atlas)
    assert back.figures == atlas.figures
    assert len(back) == F
    for name in atlas:
        np.testing.assert_array_equal(back[name], atlas[name])
        assert isinstance(back[name], np.memmap)
    (tmp_path / "atlas" / "rate.npy").write_bytes(b"something else")
    with pytest.raises(SparsightError, match=r"is damaged .*: make it anew"):
        Atlas.open(tmp_path / "atlas")


def test_samples_of_another_width_are_refused() -> None:
    with pytest.raises(SparsightError, match=f"samples of {D + 1} inputs do not fit a model of {D}"):
        survey(model(), build("source", "arrays", data=torch.rand(8, D + 1)))


def test_one_feature_can_be_measured() -> None:
    job = toy_job("relu_l1", n_latents=1, train={"epochs": 1.0})
    assert len(survey(job.sae, labelled(), fits=1)) == 1
