"""`sparsight verify`."""

import json
from pathlib import Path

import numpy as np
import pytest
from browsing import held
from commands import sparsight
from toys import samples

from sparsight import spec

FAST = ("--recipe", "strokes", "n_latents=12", "architecture.k=3", "train.epochs=2", "train.hold_out=0.25")


@pytest.fixture(autouse=True)
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", samples(300).reshape(-1, 4, 4).numpy())
    assert sparsight("train", "x.npy", *FAST, "--out", "run", "--quiet", monkeypatch=monkeypatch) == 0
    capsys.readouterr()


def test_each_claim_is_a_row_and_a_sentence_and_what_is_left_out_says_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sparsight("verify", "run", "--claims", "causality, generalisation,use", monkeypatch=monkeypatch) == 0
    said = capsys.readouterr().out
    assert [line.split()[0] for line in said.splitlines()[1:3]] == ["causality", "generalisation"]
    assert "causality: put into samples or taken out of them" in said
    assert "use is left out: there are no held-out samples with labels" in said
    assert "trainings are to be done" not in said
    assert Path("run/evidence.json").is_file()
    assert sparsight("report", "run", monkeypatch=monkeypatch) == 0
    page = json.loads(held(Path("run/report.html").read_text(encoding="utf-8"))["run/run/evidence"])
    assert page["claims"][0]["name"] == "causality" and "put into samples" in page["claims"][0]["said"]


def test_json_is_the_evidence_and_strict_fails_where_a_claim_does_not_hold(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sparsight("verify", "run", "--claims", "causality", "--json", monkeypatch=monkeypatch) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == json.loads(Path("run/evidence.json").read_text())
    record = json.loads(Path("run/verify/causality.json").read_text())
    for holds in (True, False):
        record["claim"]["holds"] = holds
        Path("run/verify/causality.json").write_text(json.dumps(record))
        code = sparsight("verify", "run", "--claims", "causality", "--strict", monkeypatch=monkeypatch)
        assert code == (0 if holds else 1)


def test_it_says_how_many_trainings_come(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert sparsight("verify", "run", "--claims", "stability", monkeypatch=monkeypatch) == 0
    said = capsys.readouterr().out
    assert "12 trainings are to be done, which take about" in said
    assert "are real" in said
    assert sparsight("report", "run", "--export", "out", monkeypatch=monkeypatch) == 0
    assert {"real-features.png", "real-features.svg", "stability.svg"} <= {path.name for path in Path("out").iterdir()}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "there is no folder 'nowhere'"),
        (["run", "--claims", "truth"], "unknown claim 'truth'"),
        (["run", "--data", "digits"], "not the data that 'run' was trained on"),
    ],
)
def test_a_mistake_in_verifying_is_one_sentence_and_exit_code_2(
    arguments: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sparsight("verify", *arguments, monkeypatch=monkeypatch) == 2
    said = capsys.readouterr()
    assert sentence in said.err and said.err.count("\n") == 1


def test_a_plugin_adds_a_claim(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    spec.names("claim")
    monkeypatch.setattr(spec, "_REGISTRY", {kind: dict(table) for kind, table in spec._REGISTRY.items()})
    Path("mine.py").write_text(
        "from sparsight.claims._check import Check\n"
        "from sparsight.core import Claim\n"
        "from sparsight.spec import register\n"
        '@register("claim", "mine")\n'
        "class Mine(Check):\n"
        '    """It has twelve features."""\n'
        "    def __init__(self): ...\n"
        "    def __call__(self, case):\n"
        '        return Claim(name="mine", said="it has twelve features", holds=case.sae.n_latents == 12), {}\n'
    )
    assert sparsight("verify", "run", "--claims", "mine", "--plugin", "mine.py", "--json", monkeypatch=monkeypatch) == 0
    (claim,) = json.loads(capsys.readouterr().out)["claims"]
    assert (claim["name"], claim["holds"], claim["value"]) == ("mine", True, None)
