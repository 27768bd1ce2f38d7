import json
from pathlib import Path

import pytest
from test_cli import FAST, sparsight
from toys import samples

from sparsight import recipes, spec
from sparsight.job import Recipe, train
from sparsight.run import Run
from sparsight.views.summary import described


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A run on pictures, in the folder that commands work in."""
    import numpy as np

    monkeypatch.chdir(tmp_path)
    np.save("pictures.npy", samples(256).numpy().reshape(-1, 4, 4))
    assert sparsight("train", "pictures.npy", *FAST, "--out", "run", "--quiet", monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out == ""
    return Path("run")


def test_a_run_in_words(run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert sparsight("show", "run", monkeypatch=monkeypatch) == 0
    said = capsys.readouterr().out
    assert "pictures.npy: 256 samples of 16 inputs" in said
    assert "strokes with n_latents = 24 (was 200), architecture.k = 4 (was null), train.epochs = 2.0 (was 48.0)" in said
    assert "finished after 2 steps" in said
    assert "(null, the mean: 0%)" in said
    assert "shrinkage" in said and "truth" not in said
    for word in ("squared_error", "gradient,", "moran", "null:", "run/report.html"):
        assert word in said


def test_a_run_on_known_features_says_how_many_were_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = ["source.name=synthetic", "source.n_samples=512", "source.n_atoms=16", "source.width=16", "source.active=2"]
    run = train(Recipe.parse(spec.override(recipes.read("strokes"), [*known, *FAST])), tmp_path / "run")
    assert sparsight("show", str(run.path), monkeypatch=monkeypatch) == 0
    said = capsys.readouterr().out
    summary = run.summary
    assert summary is not None
    assert f"truth    {summary['recovery']['found']:.1%} (null: " in said
    assert "of the true features found at cosine .9" in said


def test_json_is_the_same_record_and_nothing_else(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sparsight("show", "run", "--json", monkeypatch=monkeypatch) == 0
    assert json.loads(capsys.readouterr().out) == described(Run.open("run"))
    assert sparsight("train", "pictures.npy", *FAST, "--json", "--out", "two", monkeypatch=monkeypatch) == 0
    assert json.loads(capsys.readouterr().out)["run"] == "two"


def test_a_run_without_an_end_says_so(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "summary.json").unlink()
    assert sparsight("show", "run", monkeypatch=monkeypatch) == 0
    said = capsys.readouterr().out
    assert "it was interrupted or killed (last logged " in said
    assert "`sparsight train --resume run`" in said
    assert "step 2 of 2, on training samples" in said
    (run / "log.jsonl").write_text("")
    assert sparsight("show", "run", monkeypatch=monkeypatch) == 0
    assert "nothing is logged yet" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("path", "sentence"), [("nowhere", "there is no folder 'nowhere'"), (".", "is no run: it has no recipe.json")]
)
def test_what_is_no_run_is_one_sentence(
    path: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sparsight("show", path, monkeypatch=monkeypatch) == 2
    assert sentence in capsys.readouterr().err


def test_a_damaged_file_is_one_sentence(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "recipe.json").write_text("{")
    assert sparsight("show", "run", monkeypatch=monkeypatch) == 2
    assert "is damaged" in capsys.readouterr().err
