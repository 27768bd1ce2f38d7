import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from toys import samples, toy_job, toy_source

from sparsight import checkpoints
from sparsight import job as jobs
from sparsight import run as runs
from sparsight.core import SAE
from sparsight.errors import SparsightError
from sparsight.job import Recipe, digest, resume, train
from sparsight.run import Run

RECIPE = {
    "name": "toy",
    "n_latents": 24,
    "architecture": "topk",
    "corruption": "gaussian",
    "train": {"epochs": 4.0, "batch_size": 64, "log_every": 4, "checkpoint_every": 6, "dead_after": 100},
}


def recipe(**changes: Any) -> Recipe:
    return Recipe.parse({**RECIPE, **changes})


def test_a_run_is_a_folder_that_opens(tmp_path: Path) -> None:
    run = Run.open(train(recipe(), tmp_path / "run", toy_source()).path)
    assert run.summary is not None
    assert run.summary["weights"] == digest(run.sae())
    assert run.recipe["architecture"] == {
        "name": "topk", "k": None, "k_start": None, "anneal": 0.5, "k_eval": None, "tied": False, "unit_rows": True,
        "auxk": 1 / 32,
    }  # fmt: skip
    assert run.manifest["data"]["samples"] == 512
    assert [line.step for line in run.log()] == [4, 8, 12, 16, 20, 24, 28, 32]
    state = run.latest()
    assert state is not None
    assert state["number"] == 32
    assert set(run.summary["shapes"]) == {"moran", "participation_ratio", "elongation"}


def test_the_recipe_of_a_run_makes_the_same_bits_again(tmp_path: Path) -> None:
    first = train(recipe(), tmp_path / "first", toy_source())
    second = train(Recipe.parse(first.recipe), tmp_path / "second", toy_source())
    assert digest(first.sae()) == digest(second.sae())
    assert first.recipe == second.recipe


class StopError(Exception):
    pass


class StopAt:
    def __init__(self, step: int) -> None:
        self.step = step

    def on_log(self, logged: Any) -> None:
        if logged.step >= self.step:
            raise StopError

    def on_checkpoint(self, step: int) -> None: ...

    def on_end(self, reason: str) -> None: ...


@pytest.mark.parametrize(
    "step", [4, 12, 32]
)  # before the first checkpoint but that of the start, between two, at the end
def test_a_run_that_was_stopped_resumes_to_the_same_bits(step: int, tmp_path: Path) -> None:
    whole = train(recipe(), tmp_path / "whole", toy_source())
    with pytest.raises(StopError):
        train(recipe(), tmp_path / "run", toy_source(), [StopAt(step)])
    run = resume(tmp_path / "run", toy_source())
    assert digest(run.sae()) == digest(whole.sae())
    keep = ("step", "loss", "terms", "l0")
    assert [[vars(a)[k] for k in keep] for a in run.log()] == [[vars(b)[k] for k in keep] for b in whole.log()]


def test_an_early_stop_survives_a_kill_after_its_checkpoint(tmp_path: Path) -> None:
    early = recipe(
        train={**RECIPE["train"], "patience": 1, "hold_out": 0.2, "lr": 0.5, "evaluate_every": 4, "epochs": 50.0}
    )
    whole = train(early, tmp_path / "whole", toy_source())
    assert whole.summary is not None
    assert whole.summary["ended"] == "early stop"
    again = train(early, tmp_path / "again", toy_source())
    (again.path / "summary.json").unlink()
    (again.path / "model.safetensors").unlink()
    assert digest(resume(again.path, toy_source()).sae()) == digest(whole.sae())


def test_a_taken_name_is_refused_and_nothing_is_touched(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with pytest.raises(SparsightError, match="there is already a run at"):
        train(recipe(), tmp_path / "run", toy_source())
    assert list((tmp_path / "run").iterdir()) == []


def test_a_mistake_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(SparsightError, match="k is 99"):
        train(recipe(architecture={"name": "topk", "k": 99}), tmp_path / "run", toy_source())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("moment", ["create", "checkpoint", "log", "finish"])
def test_a_full_disk_is_one_sentence_and_keeps_what_was_complete(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fail(*_: Any, **__: Any) -> None:
        raise full

    place = tmp_path / "run"
    if moment == "create":
        monkeypatch.setattr(runs, "_write_json", fail)
        with pytest.raises(SparsightError, match=r"cannot write to .*No space left on device"):
            train(recipe(), place, toy_source())
        assert list(tmp_path.iterdir()) == []
        return
    if moment == "finish":
        monkeypatch.setattr(SAE, "save", fail)
        with pytest.raises(SparsightError, match="No space left on device"):
            train(recipe(), place, toy_source())
    else:
        run = Run.create(place, {}, {})
        job = toy_job("topk")
        run.checkpoint(1, job.trainer.state_dict())
        if moment == "checkpoint":
            monkeypatch.setattr(checkpoints, "save_file", fail)
            with pytest.raises(SparsightError, match="No space left on device"):
                run.checkpoint(2, job.trainer.state_dict())
        else:
            monkeypatch.setattr(Path, "open", fail)
            with pytest.raises(SparsightError, match="No space left on device"):
                run.append(None)  # type: ignore[arg-type]
        monkeypatch.undo()
        assert [path.name for path in (place / "checkpoints").iterdir()] == ["step-000000001"]
    monkeypatch.undo()
    assert Run.open(place).latest() is not None
    assert {path.name for path in place.rglob(".*")} <= {".lock"}


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(SparsightError, match="there is no folder"):
        Run.open(tmp_path / "nothing")
    with pytest.raises(SparsightError, match=r"is no run: it has no recipe\.json"):
        Run.open(tmp_path)


def test_a_run_that_has_ended_has_nothing_to_resume(tmp_path: Path) -> None:
    train(recipe(), tmp_path / "run", toy_source())
    with pytest.raises(SparsightError, match="has ended"):
        resume(tmp_path / "run", toy_source())


def test_a_run_that_has_not_ended_has_no_model_yet(tmp_path: Path) -> None:
    with pytest.raises(StopError):
        train(recipe(), tmp_path / "run", toy_source(), [StopAt(8)])
    with pytest.raises(SparsightError, match="has not ended: `sparsight train --resume"):
        Run.open(tmp_path / "run").sae()


def test_other_data_are_refused_when_resuming(tmp_path: Path) -> None:
    with pytest.raises(StopError):
        train(recipe(), tmp_path / "run", toy_source(), [StopAt(8)])
    with pytest.raises(SparsightError, match="the data are not those"):
        resume(tmp_path / "run", toy_source(seed=2))


def test_a_failure_before_the_first_line_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise StopError

    monkeypatch.setattr(jobs.Trainer, "step", fail)
    with pytest.raises(StopError):
        train(recipe(), tmp_path / "run", toy_source())
    assert list(tmp_path.iterdir()) == []


def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    toy_job("topk").sae.save(path)
    return path


@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_truncated_weights_are_named(keep: int, tmp_path: Path) -> None:
    path = model(tmp_path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(SparsightError, match="is damaged or no safetensors file"):
        SAE.load(path)


def test_foreign_weights_are_named(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "foreign.safetensors"
    save_file({"encoder.weight": torch.zeros(3, 4)}, path)
    with pytest.raises(SparsightError, match="does not hold a sparsight model"):
        SAE.load(path)
    described = {
        "format": 1,
        "schema": {"n_inputs": 4},
        "n_latents": 3,
        "architecture": {"name": "topk"},
        "preprocess": [],
    }
    for metadata in ({"sparsight": "{}"}, {"sparsight": json.dumps({**described, "output": "identity"})}):
        save_file({"encoder.weight": torch.zeros(3, 4)}, path, metadata=metadata)
        with pytest.raises(SparsightError, match="does not hold a sparsight model"):
            SAE.load(path)
    save_file({"w": torch.zeros(1)}, path, metadata={"sparsight": json.dumps({**described, "format": 99})})
    with pytest.raises(SparsightError, match="written by a newer sparsight"):
        SAE.load(path)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", {}, {})
    run.checkpoint(1, {"x": torch.zeros(3), "y": [1.5, None, "z"]})
    state = run.latest()
    assert state is not None
    assert state["y"] == [1.5, None, "z"]
    file = tmp_path / "run/checkpoints/step-000000001/tensors.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(SparsightError, match=r"the checkpoint .* is damaged"):
        run.latest()


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    run = train(recipe(), tmp_path / "run", toy_source())
    log = run.path / "log.jsonl"
    log.write_text(log.read_text()[:-20])
    assert [line.step for line in run.log()] == [4, 8, 12, 16, 20, 24, 28]


@pytest.mark.slow
def test_a_process_killed_at_any_moment_resumes_to_the_same_bits(tmp_path: Path) -> None:
    import numpy as np

    np.save(tmp_path / "x.npy", samples(2048).numpy())

    def command(*more: str) -> list[str]:
        return [sys.executable, "-m", "sparsight", "train", *more]

    changes = ["n_latents=24", "architecture.k=4", "train.epochs=60", "train.checkpoint_every=7", "train.log_every=5"]

    def start(name: str) -> list[str]:
        return command(str(tmp_path / "x.npy"), *changes, "--out", str(tmp_path / name), "--quiet")

    subprocess.run(start("whole"), check=True)
    whole = Run.open(tmp_path / "whole").summary
    assert whole is not None
    lines = len(Run.open(tmp_path / "whole").log())
    dice = np.random.default_rng(0)
    killed = 0
    for n in range(20):
        place = tmp_path / f"run-{n}"
        process = subprocess.Popen(start(place.name))
        until = int(dice.integers(0, lines))  # a moment in the training, however fast the machine is just now
        while process.poll() is None and not (place.exists() and len(Run(place).log()) >= until):
            time.sleep(0.001)
        time.sleep(float(dice.uniform(0.0, 0.02)))
        process.kill()
        process.wait()
        if Run.open(place).summary is None:
            killed += 1
            subprocess.run(command("--resume", str(place), "--quiet"), check=True)
        ended = Run.open(place).summary
        assert ended is not None
        assert ended["weights"] == whole["weights"], n
    assert killed >= 10, "too few kills fell into the training to mean anything"
