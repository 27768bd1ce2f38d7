"""The report is one file, complete, and safe."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toys import F, samples, toy_source

from sparsight.atlas import survey
from sparsight.comparison import compare
from sparsight.core import Source
from sparsight.errors import SparsightError
from sparsight.job import Recipe, data_of, train
from sparsight.report import html
from sparsight.run import Run
from sparsight.spec import build
from sparsight.views import figures

HOSTILE = "</script><script>alert(1)</script>"


def trained(path: Path, source: Source, **more: Any) -> Run:
    spec = {"n_latents": F, "architecture": {"name": "topk", "k": 4}, "train": {"epochs": 3.0, "log_every": 4}, **more}
    return train(Recipe.parse(spec), path, source)


def page(run: Run, source: Source) -> str:
    compared = compare([run], source=source, baselines=("mean", "pca"))
    atlas = survey(run.sae(), source, fits=2)
    return html(run, atlas, source, compared, figures.every(run, atlas, source))


def data(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_a_report_of_pictures_has_every_part(tmp_path: Path) -> None:
    source = toy_source(labels=np.arange(512) % 3)
    text = page(trained(tmp_path / "run", source), source)
    for title in (
        "Features", "Samples and what is made of them", "Built feature by feature", "Loss of each term",
        "Share of the gradient, decoder", "How often features fire", "Mean activity", "Gabor fits, decoder",
        "Codes in two dimensions", "Beside its nulls", "probe error", "pca", "All measures", "Recipe and manifest",
    ):  # fmt: skip
        assert title in text
    found = data(text)
    assert set(found["filters"]) == {"encoder", "decoder", "null"}
    assert len(found["ids"]) == F
    assert found["columns"]["decoder.moran"]["null"] is not None
    assert found["examples"]["sprite"].startswith("data:image/png;base64,")
    assert len(found["class_mean"][0]) == 3


def test_it_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    source = toy_source()
    text = page(trained(tmp_path / "run", source), source)
    addresses = set(re.findall(r"https?://[^\s\"'<>]+", text))
    assert addresses == {"http://www.w3.org/2000/svg"}
    assert not re.findall(r"(?:src|href)=\"(?!data:|\$\{)", text)


def test_without_a_geometry_there_are_weights_by_name_and_no_pictures(tmp_path: Path) -> None:
    source = build("source", "arrays", data=samples(), names=[f"column {n}" for n in range(16)])
    text = page(trained(tmp_path / "run", source), source)
    assert "<canvas class" not in text
    assert "Built feature by feature" not in text
    found = data(text)
    assert "filters" not in found
    assert found["inputs"][0][0][0].startswith("column ")


def test_names_from_outside_cannot_run_as_code(tmp_path: Path) -> None:
    source = toy_source(labels=[HOSTILE, "b"] * 256)
    text = page(trained(tmp_path / "run", source, name=HOSTILE, summary=HOSTILE), source)
    assert HOSTILE not in text
    assert text.count("<script") == 2
    assert data(text)["classes"] == [HOSTILE, "b"]


def test_of_many_features_some_are_shown_and_the_page_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sparsight.report.MOST", 10)
    source = toy_source()
    text = page(trained(tmp_path / "run", source), source)
    assert len(data(text)["ids"]) == 10
    assert f"10 of {F} features are shown, evenly spread" in text


def test_data_that_are_not_those_of_the_run_are_refused(tmp_path: Path) -> None:
    run = trained(tmp_path / "run", toy_source())
    with pytest.raises(SparsightError, match="the data of 'run' were given in memory: give them again"):
        data_of(run)
    with pytest.raises(SparsightError, match="these are not the data that 'run' was trained on: give the same"):
        data_of(run, toy_source(seed=2))
    training, measured = data_of(run, toy_source())
    assert training is measured


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs a browser")
@pytest.mark.parametrize("pictures", [True, False])
def test_a_browser_has_nothing_to_complain_of(tmp_path: Path, pictures: bool) -> None:
    source = toy_source(labels=np.arange(512) % 3, pictures=pictures)
    place = tmp_path / "report.html"
    place.write_text(page(trained(tmp_path / "run", source), source), encoding="utf-8")
    done = subprocess.run(
        [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
            "--enable-logging=stderr", "--virtual-time-budget=4000", "--dump-dom", f"file://{place}",
        ],
        capture_output=True, text=True, check=True, timeout=120, env={**os.environ, "HOME": str(tmp_path)},
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr
    assert "Largest codes" in done.stdout  # by the script, so it ran to its end
