"""`sparsight splice`."""

import json
from pathlib import Path

import pytest
from behind import behind, learned
from commands import sparsight
from toys import samples

from sparsight.run import Run, finite
from sparsight.sources.arrays import Arrays


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spliced")
    for kind in ("llama", "bert"):
        behind(folder, kind)
    learned(None, folder / "plain", Arrays(data=samples(128).numpy()))
    return folder


def test_it_prints_the_model_beside_its_floors_and_keeps_it(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert sparsight("splice", str(place / "llama"), monkeypatch=monkeypatch) == 0
    said = capsys.readouterr().out
    for words in ("the model itself", "reconstruction", "mean (null)", "zeros (null)", "in place of all", "KL: KL("):
        assert words in said
    assert "held-out documents" in said and "which 10 tokens each feature raises" in said
    kept = Run.open(place / "llama").effects()
    assert kept is not None and kept["n"] > 0 and kept["beside"] == 10


def test_json_is_what_is_kept_and_is_the_same_again(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = []
    for _ in range(2):
        assert sparsight("splice", str(place / "bert"), "--tokens", "40", "--json", monkeypatch=monkeypatch) == 0
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]
    assert json.loads(told[0]) == finite(Run.open(place / "bert").effects())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plain"], "the data of 'plain' have no model behind them"),
        (["nothing"], "there is no folder"),
        (["llama", "--text", "nowhere.txt"], "there is no text 'nowhere.txt'"),
        (["llama", "--model", "nowhere"], "there is no model 'nowhere'"),
        (["llama", "--at", "model.layer.1"], "the model has no layer 'model.layer.1'"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    run, *more = arguments
    assert sparsight("splice", str(place / run), *more, monkeypatch=monkeypatch) != 0
    err = capsys.readouterr().err
    assert said in err and "Traceback" not in err
