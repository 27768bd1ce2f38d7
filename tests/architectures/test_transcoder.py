"""Targets that are not the inputs, from the source to the report."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from browsing import held
from sklearn.linear_model import Ridge
from toys import D, mapped, samples, toy_job, toy_source

from sparsight.atlas import survey
from sparsight.comparison import compare
from sparsight.core import SAE, Source
from sparsight.errors import SparsightError
from sparsight.estimator import SparseAutoencoder
from sparsight.initialisations.pairs import regression
from sparsight.job import Recipe, train
from sparsight.meters.quality import evaluate, measure_quality
from sparsight.report import html
from sparsight.run import Run
from sparsight.spec import build
from sparsight.views import figures
from sparsight.views.pictures import feature_pictures

ATOMS = 24


def planted(n: int = 4_000, *, linear: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs [n, 16] and targets [n, 12], sums of the same few atoms of two dictionaries, and a linear part."""
    dice = torch.Generator().manual_seed(0)
    U, V = (torch.nn.functional.normalize(torch.randn(ATOMS, width, generator=dice), dim=1) for width in (16, 12))
    codes = torch.empty(n, ATOMS).exponential_(generator=dice) * (torch.rand(n, ATOMS, generator=dice) < 2 / ATOMS)
    x = codes @ U
    return x + 1, codes @ V - 3 + linear * x @ torch.randn(16, 12, generator=dice)


def learned(name: str, x: torch.Tensor, y: torch.Tensor) -> float:
    recipe = {
        "n_latents": 48,
        "architecture": {"name": name, "base": {"name": "topk", "k": 4}},
        "preprocess": ["scale"],
        "train": {"epochs": 6.0, "batch_size": 128, "lr": 3e-3, "hold_out": 0.1},
    }
    job = toy_job(source=build("source", "arrays", data=x, target=y), **recipe)
    job.trainer.fit(job.source)
    assert job.held_out is not None
    return evaluate(job.sae, job.held_out)["explained_variance"]


def test_a_transcoder_finds_the_planted_map_and_the_skip_takes_what_is_linear() -> None:
    assert learned("transcoder", *planted()) > 0.78
    mixed = planted(linear=1.0)
    assert 1 - learned("skip_transcoder", *mixed) < 0.67 * (1 - learned("transcoder", *mixed))


def run_of(path: Path, source: Source, **more: Any) -> Run:
    spec = {"n_latents": 24, "architecture": "transcoder", "train": {"epochs": 2.0, "hold_out": 0.1}, **more}
    return train(Recipe.parse(spec), path, source)


@pytest.mark.parametrize("preprocess", [[], ["standardise"], ["scale", "centre"]])
def test_targets_have_their_own_preprocessing_and_reconstructions_the_units_of_raw_targets(
    preprocess: list[str], tmp_path: Path
) -> None:
    x, y = planted(600)
    run = run_of(tmp_path / "run", build("source", "arrays", data=x, target=100 * y + 7), preprocess=preprocess)
    sae = run.sae()
    assert sae.own_targets is not None
    units = sae.preprocess_targets
    sae.requires_grad_(False)
    torch.testing.assert_close(units.inverse(units(100 * y + 7)), 100 * y + 7, rtol=1e-4, atol=1e-3)
    step = sae.run(*sae.units(x, 100 * y + 7))
    torch.testing.assert_close(sae.reconstruct(x), units.inverse(step.recon))
    if "standardise" in preprocess:
        torch.testing.assert_close(step.target.mean(0), torch.zeros(12), rtol=0, atol=0.2)
    raw = measure_quality(sae, build("source", "arrays", data=x, target=100 * y + 7), raw=True).result()
    left = (100 * y + 7 - sae.reconstruct(x)).double()
    assert raw["error"] == pytest.approx(0.5 * float(left.square().sum(1).mean()), rel=1e-5)
    moved = sae.filters()["decoder"][3]  # raw units: what code 3 adds to a raw target
    torch.testing.assert_close(
        units.inverse(step.recon + sae.W_dec[3]) - units.inverse(step.recon),
        moved.expand(600, -1),
        rtol=1e-3,
        atol=1e-3,
    )


def test_the_start_makes_up_for_the_mean_of_inputs_and_its_rows_are_a_ridge_regression() -> None:
    job = toy_job("transcoder", toy_source(targets=True))
    mean = job.source.gather(torch.arange(512)).mean(0)
    torch.testing.assert_close(job.sae.pre(mean[None]), torch.zeros(1, 24), rtol=0, atol=1e-5)
    assert evaluate(job.sae, job.source)["explained_variance"] > 0
    dice = torch.Generator().manual_seed(0)
    for n in (40, 15):  # either form of the equations
        codes, y = torch.rand(n, 20, generator=dice).double(), torch.rand(n, 3, generator=dice).double()
        ridge = 0.1 * float(codes.square().sum(0).mean())
        wanted = Ridge(ridge, fit_intercept=False).fit(codes.numpy(), y.numpy()).coef_
        np.testing.assert_allclose(regression(codes, y).T.numpy(), wanted, rtol=1e-6, atol=1e-9)


def test_parts_and_files_keep_inputs_and_targets_together(tmp_path: Path) -> None:
    x, y = np.arange(20.0).reshape(10, 2), -np.arange(10.0).reshape(10, 1)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    source = build("source", {"name": "arrays", "path": str(tmp_path / "x.npy"), "target": str(tmp_path / "y.npy")})
    kept, held = source.split(0.3, 0)
    for part in (source, kept, held, kept.take(torch.tensor([3, 1]))):
        for batch in part.chunks(3):
            assert batch.targets is not None
            torch.testing.assert_close(batch.targets, -(batch.inputs[:, :1] / 2))
    y[4] = 99
    other = build("source", "arrays", data=x, target=y)
    assert other.fingerprint() != build("source", "arrays", data=x, target=-y).fingerprint()


def test_wrong_targets_are_refused_in_one_sentence() -> None:
    x, y = samples(20), mapped(samples(20))
    with pytest.raises(SparsightError, match="holds 20 samples and 19 targets: give one for each"):
        build("source", "arrays", data=x, target=y[1:])
    y[3, 2] = torch.nan
    with pytest.raises(SparsightError, match=r"1 of 20 samples hold NaN or infinity \(samples 3\)"):
        toy_job("transcoder", build("source", "arrays", data=x, target=y))
    with pytest.raises(SparsightError, match="transcoder maps inputs to targets, and these data have none"):
        toy_job("transcoder", toy_source())
    with pytest.raises(SparsightError, match="topk rebuilds its inputs, and these data have targets of their own"):
        toy_job("topk", toy_source(targets=True))
    with pytest.raises(SparsightError, match="topk cannot be the base of a transcoder"):
        build("architecture", {"name": "transcoder", "base": {"name": "topk", "tied": True}})


def test_a_shift_of_the_inputs_alone_is_left_out() -> None:
    job = toy_job("transcoder", augmentations=[{"name": "shift", "pixels": 1}])
    assert not job.trainer.objective.augmentations
    assert "shift is left out: it would change the inputs, and not their targets" in job.notes


@pytest.mark.parametrize("alike", [False, True])
@pytest.mark.parametrize("name", ["transcoder", "skip_transcoder"])
def test_pages_show_decoder_rows_as_pictures_only_where_targets_are_pictures_too(
    name: str, alike: bool, tmp_path: Path
) -> None:
    x = samples(200)
    y = 1 - x if alike else mapped(x)
    source = build("source", {"name": "arrays", "shape": [4, 4]}, data=x, target=y)
    run = run_of(tmp_path / "run", source, architecture=name)
    assert run.manifest["data"]["targets"] == y.shape[1]
    atlas = survey(run.sae(), source, fits=2)
    assert "encoder.moran" in atlas
    assert ("decoder.moran" in atlas) == alike
    assert "decoder.max_cosine" in atlas
    assert ("decoder.png" in feature_pictures(run)) == alike
    assert len(compare([run], source=source)["rows"]) == 1
    page = held(html(run, atlas, source, figures.every(run, atlas, source)))
    assert ("run/run/tiles/decoder/0" in page) == alike


def test_the_estimator_takes_targets_as_y() -> None:
    x, y = (values.numpy() for values in planted(1_500))
    model = SparseAutoencoder(
        24, recipe={"architecture": "transcoder", "preprocess": ["scale"]}, max_epochs=20, random_state=0
    )
    assert model.fit(x, y).score(x, y) > 0.6
    assert model.reconstruct(x).shape == y.shape
    np.testing.assert_allclose(model.inverse_transform(model.transform(x)), model.reconstruct(x), rtol=1e-4, atol=1e-4)
    assert model.components_.shape == (24, 12)
    assert model.objective(x, y)["total"] > 0
    with pytest.raises(SparsightError, match="transcoder maps inputs to targets: give these as y"):
        model.fit(x)
    skip = SparseAutoencoder(24, recipe={"architecture": "skip_transcoder"}, max_epochs=1, random_state=0).fit(x, y)
    with pytest.raises(SparsightError, match="give the inputs too"):
        skip.inverse_transform(skip.transform(x))


def test_a_saved_transcoder_stands_alone(tmp_path: Path) -> None:
    job = toy_job("skip_transcoder", preprocess=["standardise"])
    job.sae.eval().save(tmp_path / "model.safetensors")
    again, x = SAE.load(tmp_path / "model.safetensors"), samples(8)
    assert torch.equal(again.reconstruct(x), job.sae.reconstruct(x))


@pytest.mark.parametrize("start", ["data", "random"])
def test_a_start_of_filters_that_are_rows_is_refused_where_widths_differ(start: str) -> None:
    with pytest.raises(SparsightError, match=f"filters of {D} inputs from rows of 10 targets.*initialisation=pairs"):
        toy_job("transcoder", initialisation=start)
