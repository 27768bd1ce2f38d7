import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from toys import samples, toy_job

from sparsight import checkpoints
from sparsight.errors import SparsightError
from sparsight.job import resume
from sparsight.run import Run
from sparsight.trainer import Trainer
from sparsight.views.summary import described

LONG = ["n_latents=24", "architecture.k=4", "train.epochs=1e5", "train.checkpoint_every=1", "train.log_every=5"]


def wait(until: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while not until():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.01)


def test_a_run_is_busy_while_another_process_trains_it_and_free_when_that_is_killed(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", samples().numpy())
    run = Run(tmp_path / "run")
    command = [sys.executable, "-m", "sparsight", "train", str(tmp_path / "x.npy"), *LONG, "-o", str(run.path), "-q"]
    process = subprocess.Popen(command)
    try:
        wait(lambda: run.path.exists() and len(run.log()) > 1, process)
        assert run.busy
        assert described(run)["training"]
        with pytest.raises(SparsightError, match="is being trained by another process"):
            resume(run.path)
        steps = []
        for _ in range(100):  # each of the checkpoints lives for one step
            seen = run.snapshot()
            assert seen is not None
            assert bool(seen[1].W_dec.isfinite().all())
            steps.append(seen[0])
        assert steps == sorted(steps)
        assert steps[-1] > steps[0]
        assert process.poll() is None, "it ended, and none of this means anything"
    finally:
        process.kill()
        process.wait()
    assert not run.busy
    record = described(run)
    assert record["ended"] is None
    assert not record["training"]
    with run.held():
        assert run.busy


def state(trainer: Trainer) -> dict[str, torch.Tensor]:
    return trainer.sae.state_dict()


def test_a_snapshot_is_the_model_of_the_last_checkpoint_with_its_knobs(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", {}, {})
    assert run.snapshot() is None
    job = toy_job("topk", aim={"l0": 3.0})
    job.trainer.fit(job.source, run, held_out=job.held_out)
    seen = run.snapshot()
    assert seen is not None
    step, sae = seen
    assert step == job.trainer.number > 0
    assert not sae.training
    assert sae.described() == job.sae.described()
    assert all(torch.equal(a, b) for a, b in zip(sae.state_dict().values(), state(job.trainer).values(), strict=True))


def test_a_snapshot_does_not_read_what_is_the_optimisers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run.create(tmp_path / "run", {}, {})
    job = toy_job("topk", train={"epochs": 1.0})
    job.trainer.fit(job.source, run)
    read: list[str] = []
    opened = checkpoints.safe_open

    class Told:
        def __init__(self, path: Path, framework: str) -> None:
            self.file = opened(path, framework=framework)

        def __enter__(self) -> "Told":
            return self

        def __exit__(self, *_: object) -> None: ...

        def get_tensor(self, name: str) -> torch.Tensor:
            read.append(name)
            return self.file.get_tensor(name)

    monkeypatch.setattr(checkpoints, "safe_open", Told)
    assert run.snapshot() is not None
    assert read == [f"state/sae/{name}" for name in job.sae.state_dict()]


def test_a_checkpoint_that_is_replaced_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.create(tmp_path / "run", {}, {})
    job = toy_job("topk")
    run.checkpoint(1, {**job.trainer.state_dict(), "number": 1})
    whole = checkpoints.model

    def late(folder: Path) -> object:
        if folder.name.endswith("1"):
            run.checkpoint(2, {**job.trainer.state_dict(), "number": 2})
        return whole(folder)

    monkeypatch.setattr(checkpoints, "model", late)
    seen = run.snapshot()
    assert seen is not None
    assert seen[0] == 2


@pytest.mark.parametrize("name", ["state.json", "tensors.safetensors"])
def test_a_damaged_checkpoint_has_no_snapshot(name: str, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", {}, {})
    run.checkpoint(1, toy_job("topk").trainer.state_dict())
    file = tmp_path / "run/checkpoints/step-000000001" / name
    file.write_bytes(file.read_bytes()[:-2])
    assert run.snapshot() is None
