"""The report is the explorer's pages with their answers in them: complete, alone, and safe."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import held
from parts import Cells, Texts
from playwright.sync_api import Browser, expect
from toys import F, samples, toy_source

from sparsight import report
from sparsight.atlas import survey
from sparsight.comparison import compare
from sparsight.core import Source
from sparsight.errors import SparsightError
from sparsight.job import Recipe, data_of, train
from sparsight.run import Run
from sparsight.spec import build
from sparsight.views import figures

HOSTILE = "</script><script>alert(1)</script>"


def trained(path: Path, source: Source, **more: Any) -> Run:
    spec = {"n_latents": F, "architecture": {"name": "topk", "k": 4}, "train": {"epochs": 3.0, "log_every": 4}, **more}
    run = train(Recipe.parse(spec), path, source)
    run.put_compared(compare([run], source=source, baselines=("mean", "pca")))
    return run


def page(run: Run, source: Source) -> str:
    atlas = survey(run.sae(), source, fits=2)
    return report.html(run, atlas, source, figures.every(run, atlas, source))


def test_a_report_of_pictures_has_every_part(tmp_path: Path) -> None:
    source = toy_source(labels=np.arange(512) % 3)
    found = held(page(trained(tmp_path / "run", source), source))
    about = json.loads(found["run/run/about"])
    assert about["features"] == F
    assert about["columns"]["decoder.moran"]["null"] is not None
    assert [tile["name"] for tile in about["tiles"]][:3] == [
        "variance explained", "features per sample (L0)", "dead features",
    ]  # fmt: skip
    assert [row[0] for row in about["compared"]["rows"]] == ["this run", "pca", "mean"]
    assert "Loss of each term" in json.loads(found["run/run/charts/training"])
    assert json.loads(found["run/run/log"])["state"] == "finished"
    assert "Gabor fits, decoder" in json.loads(found["run/run/charts/gabors"])
    assert json.loads(found["run/run/made"])["reconstructions"].startswith("data:image/png;base64,")
    features = json.loads(found["run/run/feature/0"])
    assert len(features) == F
    assert len(features[0]["classes"]) == 3
    assert len(found["run/run/tiles/decoder/0"]) == F * (4 + 16)
    assert len(found["run/run/column/rate"]) == 4 * F


def test_it_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    source = toy_source()
    text = page(trained(tmp_path / "run", source), source)
    assert not re.findall(r"https?://", text)
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)", text)


def test_names_from_outside_cannot_run_as_code(tmp_path: Path) -> None:
    source = toy_source(labels=[HOSTILE, "b"] * 256)
    run = trained(tmp_path / "<b>run", source, name=HOSTILE, summary=HOSTILE)
    text = page(run, source)
    assert HOSTILE not in text
    assert "<b>run" not in text
    assert text.count("<script") == 3
    assert json.loads(held(text)["run/<b>run/about"])["classes"] == [HOSTILE, "b"]


def test_a_browser_opens_it_from_a_file(tmp_path: Path, browser: Browser) -> None:
    source = toy_source(labels=[HOSTILE, "b"] * 256)
    run = trained(tmp_path / "run", source, summary=HOSTILE)
    run.put_note(3, HOSTILE)
    place = tmp_path / "report.html"
    place.write_text(page(run, source), encoding="utf-8")
    looked(browser, place, "run")


def test_a_browser_opens_a_folder_of_files(tmp_path: Path, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sparsight.report.MOST", 10)
    monkeypatch.setattr("sparsight.report.BLOCK", 4)
    source = toy_source(labels=np.arange(512) % 3)
    run = trained(tmp_path / "run", source)
    atlas = survey(run.sae(), source, fits=2)
    for name, content in report.folder(run, atlas, source, figures.every(run, atlas, source)).items():
        (tmp_path / "report" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "report" / name).write_bytes(content)
    said = looked(browser, tmp_path / "report" / "index.html", "run", count=10)
    assert f"10 of {F} features are shown, evenly spread" in said


def test_texts_and_pictures_are_in_it_around_their_samples(tmp_path: Path, browser: Browser) -> None:
    for name, source in (("texts", Texts(80)), ("cells", Cells())):
        run = trained(tmp_path / name, source, architecture={"name": "topk", "k": 2})
        text = page(run, source)
        assert HOSTILE not in text
        found = held(text)
        record = json.loads(found[f"run/{name}/feature/0"])[0]
        examples = [example for kind in record["examples"].values() for example in kind]
        assert examples
        assert all(len(example["context"]["codes"]) <= 17 for example in examples)
        assert len(record["examples"]["top"]) <= 4
        assert f"run/{name}/samples/0" not in found, "what is shown as a text or picture is not there as numbers"
        (tmp_path / f"{name}.html").write_text(text, encoding="utf-8")
        tab = browser.new_page()
        tab.on("pageerror", lambda error: pytest.fail(str(error)))
        tab.on("dialog", lambda dialog: pytest.fail("a dialog"))
        tab.goto(f"file://{tmp_path}/{name}.html#/run/{name}/feature/0")
        shown = ".passages .token.here" if name == "texts" else "canvas.cells[width='240']"
        expect(tab.locator(shown).first).to_be_visible()
        tab.goto(f"file://{tmp_path}/{name}.html#/run/{name}/features")
        expect(tab.locator(".wordgrid .tile dt" if name == "texts" else ".list tbody a").first).to_be_visible()
        expect(tab.locator(".sorry")).to_have_count(0)
        tab.close()


def looked(browser: Browser, place: Path, run: str, count: int = F) -> str:
    """Every page of a report without a complaint; what the first of them says."""
    tab = browser.new_page()
    wrong: list[str] = []
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    tab.on("dialog", lambda dialog: wrong.append("a dialog"))
    tab.goto(f"file://{place}")
    expect(tab.locator("h1")).to_contain_text(run)
    said = tab.locator("#page").inner_text()
    tab.goto(f"file://{place}#/run/{run}/features")
    expect(tab.locator(".count")).to_have_text(f"{count} features")
    tab.locator(".grid canvas").focus()
    tab.keyboard.press("Home")
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("heading", name="Samples that show it")).to_be_visible()
    for other in ("live", "findings"):
        tab.goto(f"file://{place}#/run/{run}/{other}")
        tab.wait_for_timeout(100)
        expect(tab.locator(".sorry")).to_have_count(0)
    tab.close()
    assert wrong == []
    return said


def test_without_a_geometry_there_are_weights_by_name_and_no_pictures(tmp_path: Path) -> None:
    source = build("source", "arrays", data=samples(), names=[f"column {n}" for n in range(16)])
    found = held(page(trained(tmp_path / "run", source), source))
    assert json.loads(found["run/run/about"])["sides"] == []
    assert json.loads(found["run/run/made"])["reconstructions"] is None
    assert json.loads(found["run/run/feature/0"])[0]["inputs"][0][0].startswith("column ")


def test_data_that_are_not_those_of_the_run_are_refused(tmp_path: Path) -> None:
    run = trained(tmp_path / "run", toy_source())
    with pytest.raises(SparsightError, match="the data of 'run' were given in memory: give them again"):
        data_of(run)
    with pytest.raises(SparsightError, match="these are not the data that 'run' was trained on: give the same"):
        data_of(run, toy_source(seed=2))
    training, measured = data_of(run, toy_source())
    assert training is measured
