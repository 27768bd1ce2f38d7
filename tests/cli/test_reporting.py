import json
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from browsing import held
from commands import sparsight
from toys import samples

from sparsight import Recipe, train
from sparsight.run import Run
from sparsight.sources._rows import Rows
from sparsight.views.exports import slug

needs_resvg = pytest.mark.skipif(find_spec("resvg_py") is None, reason="needs the extra [export]")
FAST = ["n_latents=24", "architecture.k=4", "train.epochs=2"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures and a run on them."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        np.save("x.npy", samples(256).numpy().reshape(-1, 4, 4))
        assert sparsight("train", "x.npy", *FAST, "-o", "run", "-q", monkeypatch=patch) == 0
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run, in the folder to work in."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return Path("run")


def test_training_ends_with_a_report(run: Path) -> None:
    assert "run/run/about" in held((run / "report.html").read_text(encoding="utf-8"))
    assert len(Run.open(run).atlas()) == 24


def test_a_run_without_an_atlas_gets_one(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(run / "atlas")
    (run / "report.html").unlink()
    assert sparsight("report", "run", monkeypatch=monkeypatch) == 0
    assert (run / "report.html").is_file()
    assert "rate" in Run.open(run).atlas()


@needs_resvg
def test_every_picture_and_table_is_exported(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sparsight("report", "run", "-o", "page.html", "--export", "out/all", monkeypatch=monkeypatch) == 0
    assert Path("page.html").is_file()
    names = {path.name for path in Path("out/all").iterdir()}
    page = held(Path("page.html").read_text(encoding="utf-8"))
    charts = {
        slug(title)
        for group in ("training", "population", "gabors", "codes")
        for title in json.loads(page[f"run/run/charts/{group}"])
    }
    pictures = {"encoder", "decoder", "null", "features", "reconstructions", "build-up-1", "build-up-2", "build-up-3"}
    assert {"loss-of-each-term", "gabor-fits-encoder"} <= charts
    assert names == {f"{name}.{kind}" for name in charts | pictures for kind in ("png", "svg")} | {
        "features.csv", "comparison.csv",
    }  # fmt: skip
    assert all(path.stat().st_size > 100 for path in Path("out/all").iterdir())


def test_without_what_draws_charts_as_png_they_are_svg_and_the_command_says_how_to_get_it(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    assert sparsight("report", "run", "--export", "out", monkeypatch=monkeypatch) == 0
    assert "for PNG as well, pip install 'sparsight[export]'" in capsys.readouterr().out
    assert Path("out/loss-of-each-term.svg").is_file() and Path("out/decoder.png").is_file()
    assert not Path("out/loss-of-each-term.png").exists()


@pytest.mark.parametrize("hold_out", [0.0, 0.25])
def test_a_report_reads_the_data_once_for_their_hash(
    run: Path, hold_out: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = f"train.hold_out={hold_out}"
    assert sparsight("train", "x.npy", *FAST, change, "-o", "two", "-q", monkeypatch=monkeypatch) == 0
    shutil.rmtree("two/atlas")
    hashed: list[int] = []
    hash_ = Rows._hash

    def counted(self: Rows) -> str:
        hashed.append(len(self))
        return hash_(self)

    monkeypatch.setattr(Rows, "_hash", counted)
    assert sparsight("report", "two", monkeypatch=monkeypatch) == 0
    assert sum(hashed) == 256


def test_a_run_that_has_not_ended_says_how_to_go_on(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "model.safetensors").unlink()
    assert sparsight("report", "run", monkeypatch=monkeypatch) == 2
    assert "the run 'run' has not ended: `sparsight train --resume run` goes on" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_named(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sparsight("report", "run", "-o", "x.npy/report.html", monkeypatch=monkeypatch) == 2
    assert "cannot write to 'x.npy/report.html'" in capsys.readouterr().err
    assert sparsight("report", "run", "--export", "x.npy", monkeypatch=monkeypatch) == 2
    assert "'x.npy' is a file: give a folder to export to" in capsys.readouterr().err


def test_data_from_memory_are_given_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    from sparsight.spec import build

    source = build("source", "arrays", data=samples(256), shape=[4, 4])
    spec = {"n_latents": 24, "architecture": {"name": "topk", "k": 4}, "train": {"epochs": 2.0}}
    train(Recipe.parse(spec), "run", source)
    assert sparsight("report", "run", monkeypatch=monkeypatch) == 2
    assert "were given in memory: give them again" in capsys.readouterr().err
    np.save("x.npy", samples(256).numpy())
    assert sparsight("report", "run", "--data", "x.npy", monkeypatch=monkeypatch) == 2
    assert "these are not the data" in capsys.readouterr().err  # rows are no pictures, so their hash is another
    np.save("pictures.npy", samples(256).numpy().reshape(-1, 4, 4))
    assert sparsight("report", "run", "--data", "pictures.npy", monkeypatch=monkeypatch) == 0
