import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import sparsight
from PIL import Image
from toys import samples

from sparsight import recipes, spec
from sparsight.run import Run

FAST = ["n_latents=24", "architecture.k=4", "train.epochs=2"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a table and pictures."""
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", samples(256).numpy())
    np.save("pictures.npy", samples(256).numpy().reshape(-1, 4, 4))
    return tmp_path


def test_train_writes_a_run_with_pictures_and_says_what_it_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sparsight("train", "pictures.npy", *FAST, "--out", "run", monkeypatch=monkeypatch) == 0
    said = capsys.readouterr().out
    assert "of the variance explained" in said
    assert "moran" in said
    assert "look at run/report.html" in said
    shapes = {}
    for name in ("features", "encoder", "decoder", "null"):
        with Image.open(f"run/pictures/{name}.png") as picture:
            shapes[name] = picture.size
            assert len(np.unique(np.asarray(picture))) > 10
    assert shapes["features"][0] > 3 * shapes["decoder"][0]
    assert Run.open("run").summary is not None


def test_a_table_has_no_pictures_and_is_trained_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sparsight("train", "x.npy", *FAST, monkeypatch=monkeypatch) == 0
    assert sparsight("train", "x.npy", *FAST, monkeypatch=monkeypatch) == 0
    said = capsys.readouterr().out
    assert "smoothness is left out: these samples are no pictures" in said
    assert not Path("runs/strokes/pictures").exists()
    assert Run.open("runs/strokes-2").summary is not None


def test_a_recipe_of_ones_own_and_a_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    spec.names("architecture")
    monkeypatch.setattr(spec, "_REGISTRY", {kind: dict(table) for kind, table in spec._REGISTRY.items()})
    Path("mine.py").write_text(
        "from sparsight.architectures.topk import topk\n"
        "from sparsight.spec import register\n"
        '@register("architecture", "mine")\n'
        "def mine(*, k: int = 3):\n"
        '    """TopK by another name."""\n'
        "    return topk(k=k)\n"
    )
    Path("mine.toml").write_text(
        'n_latents = 16\narchitecture = "mine"\nsource = { name = "arrays", path = "x.npy" }\n[train]\nepochs = 1.0\n'
    )
    arguments = ("train", "--recipe", "mine.toml", "architecture.k=2", "--plugin", "mine.py", "--out", "run", "--quiet")
    assert sparsight(*arguments, monkeypatch=monkeypatch) == 0
    assert Run.open("run").recipe["architecture"] == {"name": "mine", "k": 2}


def test_recipes_are_listed_and_explained(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert sparsight("recipes", monkeypatch=monkeypatch) == 0
    listed = capsys.readouterr().out
    for name in ("strokes", "ufldl", "denoising", "ksparse", "question"):
        assert name in listed
        assert sparsight("recipes", name, monkeypatch=monkeypatch) == 0
        assert "[train]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "digits", "--recipe", "stroke"], "unknown recipe 'stroke'; did you mean 'strokes'"),
        (["train", "digits", "architecture.kk=3"], "has no 'kk'; did you mean 'k'"),
        (["train", "digits", "architecture.k=1000"], "k is 1000 but there are only 200 features"),
        (["train", "digits", "trian.lr=1"], "has no 'trian'; did you mean 'train'"),
        (["train", "digitz"], "there is no file or folder 'digitz'; did you mean 'digits'"),
        (["train"], "names no data: give some, for example digits"),
        (["train", "x.npy", "--out", "."], "there is already a run at"),
        (["train", "--resume", "nowhere"], "there is no folder 'nowhere'"),
        (["train", "--resume", "."], "is no run: it has no recipe.json"),
        (["train", "digits", "--resume", "."], "--resume goes on with the run as it is"),
        (["train", "x.npy", "--device", "cudda"], "the device 'cudda' cannot be used here"),
        (["train", "x.npy", "--plugin", "gone.py"], "there is no plugin 'gone.py'"),
        (["recipes", "gone"], "unknown recipe 'gone'"),
        (["recipes", "gone", "--json"], "unknown recipe 'gone'"),
        (["shw"], "no such command 'shw'"),
        (["train", "digits", "--recip", "strokes"], "no such option: --recip"),
        (["train", "digits", "--device"], "option '--device' requires an argument"),
        (["recipes", "strokes", "ufldl"], "see `sparsight recipes --help`"),
        (["show"], "missing argument 'run'; see `sparsight show --help`"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sparsight(*arguments, monkeypatch=monkeypatch) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert said in error
    assert error.count("\n") == 1
    assert not Path("runs").exists()


def test_recipes_as_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert sparsight("recipes", "--json", monkeypatch=monkeypatch) == 0
    assert [recipe["name"] for recipe in json.loads(capsys.readouterr().out)] == recipes.names()
    assert sparsight("recipes", "ufldl", "--json", monkeypatch=monkeypatch) == 0
    assert json.loads(capsys.readouterr().out) == recipes.read("ufldl")


def test_without_a_command_there_is_help(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert sparsight(monkeypatch=monkeypatch) == 0
    assert "sparsight train digits" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["train", "digits", "--recipe", "stro"], ["recipes", "stro"]])
def test_the_shell_completes_names_of_recipes_without_torch(words: list[str]) -> None:
    asked = {"COMP_WORDS": f"sparsight {' '.join(words)}", "COMP_CWORD": str(len(words))}
    code = (
        "import sys; sys.argv = ['sparsight']; from sparsight.cli import main\n"
        "try: main()\nexcept SystemExit: pass\nprint('torch' in sys.modules)"
    )
    environment = {**os.environ, **asked, "_SPARSIGHT_COMPLETE": "complete_bash"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["strokes", "False"]


def test_neither_the_package_nor_its_help_imports_torch() -> None:
    run = "import sys; sys.argv = {}; from sparsight.cli import main\ntry: main()\nexcept SystemExit: pass"
    commands = (
        ["--help"],
        ["recipes"],
        ["train", "--help"],
        ["show", "--help"],
        ["compare", "--help"],
        ["sweep", "--help"],
        ["trian"],
    )
    for code in ("import sparsight", *(run.format(["sparsight", *command]) for command in commands)):
        check = f"{code}\nimport sys, json; print(json.dumps([m for m in ('torch', 'sklearn') if m in sys.modules]))"
        done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
        assert json.loads(done.stdout.splitlines()[-1]) == []


def test_the_names_of_the_package_are_there_when_asked_for() -> None:
    import sparsight

    assert set(sparsight.__all__) <= set(dir(sparsight))
    for name in sparsight.__all__:
        assert getattr(sparsight, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        sparsight.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_changes_to_the_source_reach_the_data_that_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("train", "x.npy", *FAST, "source.shape=[4,4]", "--out", "run", "--quiet")
    assert sparsight(*arguments, monkeypatch=monkeypatch) == 0
    assert Run.open("run").recipe["source"] == {"name": "arrays", "path": "x.npy", "shape": [4, 4]}
    assert Path("run/pictures/features.png").exists()


def test_train_is_a_function_whatever_was_imported_first() -> None:
    code = "import sparsight; from sparsight import Recipe, SparseAutoencoder, Run; print(callable(sparsight.train))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True"]


def test_runs_on_each_others_codes_are_stacked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sparsight("train", "pictures.npy", *FAST, "-o", "first", monkeypatch=monkeypatch) == 0
    assert sparsight("train", "first", "n_latents=6", "train.epochs=2", "-o", "second", monkeypatch=monkeypatch) == 0
    assert Run.open("second").recipe["source"]["name"] == "codes"
    capsys.readouterr()
    changes = ["train.epochs=1", "architecture.layers.2.architecture.k=2"]
    assert sparsight("stack", "first", "second", *changes, monkeypatch=monkeypatch) == 0
    said = capsys.readouterr().out
    assert "6 features, architecture stack (layers (1 (architecture topk, n_latents 24, terms (" in said
    summary = Run.open("runs/stack").summary
    assert summary is not None and 0 < summary["quality"]["l0"] <= 2
    with Image.open("runs/stack/pictures/decoder.png") as picture:
        assert len(np.unique(np.asarray(picture))) > 10
    assert Path("runs/stack/report.html").is_file()
    assert sparsight("stack", "second", "first", monkeypatch=monkeypatch) == 2
    assert "'first' was not trained on the codes of 'second'" in capsys.readouterr().err
