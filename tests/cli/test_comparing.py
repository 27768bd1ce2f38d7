import json
from pathlib import Path

import numpy as np
import pytest
from test_cli import FAST, sparsight
from toys import samples

from sparsight import spec


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Runs `a` and `b` on the same pictures and `c` on others, in the folder that commands work in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    np.save("x.npy", samples(256).numpy().reshape(-1, 4, 4))
    np.save("y.npy", samples(128, seed=2).numpy())
    for name, data in (("a", "x.npy"), ("b", "x.npy"), ("c", "y.npy")):
        assert sparsight("train", data, *FAST, "--out", name, "--quiet", monkeypatch=monkeypatch) == 0
    capsys.readouterr()


def test_runs_and_baselines_are_rows_of_one_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sparsight("compare", "a", "b", monkeypatch=monkeypatch) == 0
    said = capsys.readouterr()
    firsts = [line.split()[0] for line in said.out.splitlines() if line.strip()]
    for name in ("a", "b", "pca", "ica", "nmf", "k_means", "dictionary_learning", "mean", "random"):
        assert name in firsts
    assert "measured on 256 training samples" in said.out
    assert "Moran" in said.out
    assert "probe" not in said.out
    assert "Warning" not in said.err
    assert max(len(line) for line in said.out.splitlines()) <= 80


def test_json_is_one_object_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sparsight("compare", "a", "--no-baselines", "--json", monkeypatch=monkeypatch) == 0
    said = capsys.readouterr()
    assert [row["name"] for row in json.loads(said.out)["rows"]] == ["a"]
    assert said.err == ""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["a", "c"], "were trained on different samples"),
        (["a", "nowhere"], "there is no folder 'nowhere'"),
        (["."], "is no run: it has no recipe.json"),
        ([], "missing argument"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(
    arguments: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sparsight("compare", *arguments, monkeypatch=monkeypatch) == 2
    said = capsys.readouterr()
    assert sentence in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_a_plugin_adds_a_baseline(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    spec.names("baseline")
    monkeypatch.setattr(spec, "_REGISTRY", {kind: dict(table) for kind, table in spec._REGISTRY.items()})
    Path("mine.py").write_text(
        "from sparsight.baselines.mean import Mean\n"
        "from sparsight.spec import register\n"
        '@register("baseline", "mine")\n'
        "class Mine(Mean):\n"
        '    """The mean by another name."""\n'
        "    def __init__(self): ...\n"
    )
    assert sparsight("compare", "a", "--plugin", "mine.py", "--json", monkeypatch=monkeypatch) == 0
    assert "mine" in [row["name"] for row in json.loads(capsys.readouterr().out)["rows"]]
