import json
import re
from pathlib import Path

import numpy as np
import pytest
from commands import sparsight
from toys import samples

from sparsight.run import Run

GRID = ["architecture.k=2,4,8", "seed=0..1", "n_latents=24", "train.epochs=1", "--data", "x.npy"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a table."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    np.save("x.npy", samples(256).numpy())
    return tmp_path


def test_a_sweep_is_a_table_a_plot_and_a_page_and_the_same_command_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sparsight("sweep", "strokes", *GRID, monkeypatch=monkeypatch) == 0
    said = capsys.readouterr().out
    rows = [line for line in said.splitlines() if re.match(r"[● ] k=\d,seed=\d", line)]
    assert len(rows) == 6
    assert 1 <= sum(row.startswith("●") for row in rows) <= 3
    assert max(len(line) for line in said.splitlines() if "notes" not in line) <= 110
    assert "explained\n" in said
    assert "look at sweeps/strokes/report.html" in said
    page = Path("sweeps/strokes/report.html").read_text()
    assert page.count("<title>k=") == 12
    assert page.count("<td>●</td>") == sum(row.startswith("●") for row in rows)
    before = {path: path.stat().st_mtime_ns for path in Path("sweeps/strokes").glob("*/*")}
    assert sparsight("sweep", "strokes", *GRID, "--json", monkeypatch=monkeypatch) == 0
    record = json.loads(capsys.readouterr().out)
    assert [row["values"] for row in record["rows"][:2]] == [
        {"architecture.k": 2, "seed": 0},
        {"architecture.k": 2, "seed": 1},
    ]
    assert before == {path: path.stat().st_mtime_ns for path in Path("sweeps/strokes").glob("*/*")}


def test_each_model_is_a_run_that_other_commands_take(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sparsight("sweep", "strokes", *GRID, "--out", "mine", "--quiet", monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out == ""
    runs = sorted(str(path.parent) for path in Path("mine").glob("*/recipe.json"))
    assert sparsight("show", runs[0], monkeypatch=monkeypatch) == 0
    assert sparsight("compare", *runs, "--no-baselines", monkeypatch=monkeypatch) == 0
    assert "mine/k=8,seed=1" in capsys.readouterr().out
    assert sparsight("report", runs[1], monkeypatch=monkeypatch) == 0
    assert Path(runs[1], "report.html").is_file()


def test_another_grid_has_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for k in ("2,3", "2,4", "2,3"):
        arguments = ("sweep", "strokes", f"architecture.k={k}", *GRID[2:], "--quiet")
        assert sparsight(*arguments, monkeypatch=monkeypatch) == 0
    assert sorted(path.name for path in Path("sweeps").iterdir()) == ["strokes", "strokes-2"]
    assert Run.open("sweeps/strokes-2/k=4").summary is not None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["strokez", "architecture.k=2,3"], "unknown recipe 'strokez'; did you mean 'strokes'"),
        (["strokes", "architecture.k=2,3"], "names no data: give some, for example digits"),
        (["strokes", "architecture.kk=2,3", "--data", "x.npy"], "has no 'kk'; did you mean 'k'"),
        (["strokes", "architecture.k=3..2", "--data", "x.npy"], "is empty: a range goes from the smaller number"),
        (["strokes", "architecture.k=2,x", "--data", "x.npy"], "should be a valid integer, got 'x'"),
        (["strokes", "architecture.k=2,999", "--data", "x.npy"], "k is 999 but there are only 200 features"),
        (["strokes", "--data", "x.npy"], "nothing is swept: give a key several values"),
        (["strokes", "architecture.k=2,3", "--data", "y.npy"], "there is no file or folder 'y.npy'"),
        (["strokes", "architecture.k=2,3", "--data", "x.npy", "--out", "."], "there is something else at '.'"),
        (["strokes", "architecture.k=2,3", "--search", "0"], "see `sparsight sweep --help`"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sparsight("sweep", *arguments, monkeypatch=monkeypatch) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not Path("sweeps").exists()


def test_what_stopped_a_model_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("sweep", "strokes", "train.lr=1e-3,1e20", "train.optimizer=sgd", "train.batch_size=32", *GRID[2:])
    assert sparsight(*arguments, monkeypatch=monkeypatch) == 0
    said = capsys.readouterr().out
    assert "note: lr=1e20: the loss is" in said
    assert "the same command goes on" not in said
    assert "a lower train.lr" in Path("sweeps/strokes/report.html").read_text()
