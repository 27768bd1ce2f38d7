import json
from pathlib import Path

import numpy as np
import pytest
from browsing import held
from commands import sparsight
from toys import samples

from sparsight.run import Run

BROKEN = ("n_latents=24", "train.epochs=4", "train.batch_size=32", "train.log_every=5")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.save("pictures.npy", samples(256).numpy().reshape(-1, 4, 4))
    asked = ("train", "pictures.npy", "-r", "question", *BROKEN, "--out", "run", "--quiet")
    assert sparsight(*asked, monkeypatch=monkeypatch) == 0
    return Path("run")


def test_training_ends_with_findings_and_show_and_report_have_them(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = Run.open(run).findings()
    assert found[0].rule == "penalty-per-activation"
    capsys.readouterr()
    assert sparsight("show", "run", monkeypatch=monkeypatch) == 0
    assert "red      D03" in capsys.readouterr().out
    assert b"penalty-per-activation" in held((run / "report.html").read_text())["run/run/findings"]


def test_the_terminal_says_what_why_and_what_to_do(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert sparsight("diagnose", "run", monkeypatch=monkeypatch) == 0
    said = capsys.readouterr().out
    for word in (
        "red",
        "D03",
        "cause:",
        "fix:",
        "terms.kl_per_activation.weight=0",
        "faults/penalty-per-activation.md",
    ):
        assert word in said
    assert sparsight("diagnose", "run", "--strict", "--json", monkeypatch=monkeypatch) == 1
    record = json.loads(capsys.readouterr().out)
    assert record["findings"][0]["id"] == "D03" and record["findings"][0]["page"].startswith("faults/")


def test_fix_writes_a_recipe_that_trains(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sparsight("diagnose", "run", "--fix", "--train", monkeypatch=monkeypatch) == 0
    said = capsys.readouterr().out
    assert "before" in said and "after" in said
    better = Run.open("run-mended")
    assert better.recipe["architecture"]["kl"] == 3.0
    assert "penalty-per-activation" not in [each.rule for each in better.findings()]
    assert sparsight("train", "-r", "run/mended.json", "--out", "again", "--quiet", monkeypatch=monkeypatch) == 0


def test_weights_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    dice = np.random.default_rng(0)
    np.save("x.npy", samples(300).numpy())
    shapes = {"w1": (16, 9), "b1": (9,), "w2": (9, 16), "b2": (16,)}
    np.savez("weights.npz", **{name: dice.normal(size=shape).astype("f4") for name, shape in shapes.items()})
    asked = ("diagnose", "weights.npz", "--data", "x.npy", "--activation", "sigmoid", "--output", "identity")
    assert sparsight(*asked, "--shape", "4x4", monkeypatch=monkeypatch) == 0
    assert "D15" in capsys.readouterr().out  # it was never trained
    assert sparsight(*asked, "--fix", monkeypatch=monkeypatch) == 2
    assert "is none: its findings say what to do" in capsys.readouterr().err
    assert sparsight(*asked, "--shape", "four", monkeypatch=monkeypatch) == 2
    assert "write 28x28" in capsys.readouterr().err


def test_an_objective_in_place_of_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(
        "def loss(x, codes, recon):\n    return ((recon - x) ** 2).sum() + abs(codes).mean()\n", encoding="utf-8"
    )
    assert sparsight("diagnose", "--objective", "mine.py:loss", "--strict", monkeypatch=monkeypatch) == 1
    assert "D24" in capsys.readouterr().out
    assert sparsight("diagnose", monkeypatch=monkeypatch) == 2
    assert "give either a model" in capsys.readouterr().err
