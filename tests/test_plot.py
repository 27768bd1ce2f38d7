import builtins
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from toys import F, toy_source

from sparsight.errors import SparsightError
from sparsight.job import Recipe, train
from sparsight.plot import plot_curves, plot_features, plot_reconstructions
from sparsight.run import Run

mpl.use("agg")


def trained(path: Path, pictures: bool = True) -> Run:
    spec = {"n_latents": F, "architecture": {"name": "topk", "k": 4}, "train": {"epochs": 2.0, "log_every": 4}}
    return train(Recipe.parse(spec), path, toy_source(pictures=pictures))


def test_filters_samples_and_curves_are_drawn(tmp_path: Path) -> None:
    run = trained(tmp_path / "run")
    assert plot_features(run).get_images()[0].get_array().shape == (5 * 5 + 1, 5 * 5 + 1, 3)
    assert plot_reconstructions(run, 4, source=toy_source()).get_images()
    axes = plot_curves(run)
    assert next(iter(axes.get_lines())).get_label() == "squared_error"


def test_samples_that_are_no_pictures_are_named(tmp_path: Path) -> None:
    run = trained(tmp_path / "run", pictures=False)
    with pytest.raises(SparsightError, match="have no shape, so its filters are no pictures"):
        plot_features(run)
    with pytest.raises(SparsightError, match="have no shape, so there are no pictures of them"):
        plot_reconstructions(run, source=toy_source(pictures=False))


def test_without_matplotlib_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained(tmp_path / "run")
    real = builtins.__import__

    def missing(name: str, *more: Any, **knobs: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *more, **knobs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(SparsightError, match=r"pip install 'sparsight\[plot\]'"):
        plot_curves(run)


def test_a_run_shows_itself_in_a_notebook(tmp_path: Path) -> None:
    run = trained(tmp_path / "a <run>")
    said = run._repr_html_()
    assert "<b>a &lt;run&gt;</b>: 24 features" in said
    assert "of the variance explained" in said
    assert "<img" not in said
    run.put("pictures/features.png", b"some bytes")
    assert '<img alt="features" src="data:image/png;base64,' in run._repr_html_()
    (run.path / "summary.json").unlink()
    assert "not ended" in run._repr_html_()
