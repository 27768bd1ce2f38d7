import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toys import samples, toy_source

from sparsight import spec
from sparsight.errors import SparsightError
from sparsight.explore.jobs import Job, Jobs
from sparsight.job import Recipe, train
from sparsight.run import Run

RECIPE: dict[str, Any] = {
    "name": "toy",
    "n_latents": 24,
    "architecture": {"name": "topk", "k": 4},
    "train": {"epochs": 1e5, "batch_size": 64, "log_every": 5, "checkpoint_every": 50},
}


def wait(until: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    made = Jobs(tmp_path)
    yield made
    made.close()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What processes would have been started with; in their place are some that wait for Ctrl-C."""
    commands: list[list[str]] = []
    start = subprocess.Popen

    def instead(command: list[str], **how: Any) -> Any:
        commands.append(command)
        return start([sys.executable, "-c", "import time; time.sleep(60)"], **how)

    monkeypatch.setattr(subprocess, "Popen", instead)
    return commands


def with_data(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    np.save(tmp_path / "x.npy", samples().numpy())
    return {**RECIPE, "source": {"name": "arrays", "path": str(tmp_path / "x.npy")}, **changes}


def logged(run: Run) -> int:
    log = run.log() if run.path.exists() else []
    return log[-1].step if log else 0


def test_a_training_starts_stops_with_a_checkpoint_and_goes_on(jobs: Jobs, tmp_path: Path) -> None:
    job = jobs.start(with_data(tmp_path), "mine")
    run = Run(tmp_path / "mine")
    assert job.place == run.path
    assert job.state == "starting"
    wait(lambda: logged(run) > 100)
    assert job.state == "running" and run.busy
    with pytest.raises(SparsightError, match="is being trained already"):
        jobs.resume(run)
    assert jobs.stop(run) is job
    wait(lambda: not run.busy)
    stopped = run.checkpointed
    assert run.summary is None
    assert stopped is not None and stopped >= logged(run) > 100
    again = jobs.resume(run)  # at once, while the first is still on its way out
    assert (job.state, job.said) == ("ended", None)
    wait(lambda: logged(run) > stopped)
    assert jobs.of(run) is again
    jobs.close()
    assert not again.running
    assert run.summary is None and (run.checkpointed or 0) > stopped
    with pytest.raises(SparsightError, match="'mine' is not being trained"):
        jobs.stop(run)


def test_a_training_that_fails_says_why(jobs: Jobs, tmp_path: Path) -> None:
    job = jobs.start(with_data(tmp_path, architecture={"name": "topk", "k": 99}))
    wait(lambda: not job.running)
    assert job.state == "failed"
    assert job.said is not None and job.said.startswith("k is 99")
    assert not job.place.exists()


@pytest.mark.parametrize(
    ("recipe", "sentence"),
    [
        ({**RECIPE, "n_latents": 0}, "n_latents should be greater than or equal to 1"),
        ({**RECIPE, "architecture": "tpok"}, "unknown architecture 'tpok'; did you mean 'topk'"),
        ({**RECIPE, "architecture": {"name": "topk", "k": 1.5}}, "architecture 'topk'.k"),
        ({**RECIPE, "nlatents": 3}, "has no 'nlatents'"),
        (RECIPE, "the recipe names no data"),
    ],
)
def test_a_mistake_is_one_sentence_before_any_process_starts(
    recipe: dict[str, Any], sentence: str, jobs: Jobs, asked: list[list[str]]
) -> None:
    with pytest.raises(SparsightError, match=sentence):
        jobs.start(recipe)
    assert asked == []


@pytest.mark.parametrize("name", ["../up", "a/b", "/root", ".hidden", "-x", "a b", "é", "x" * 81, "a\n", "..", "C:x"])
def test_a_name_is_never_a_path(name: str, jobs: Jobs, asked: list[list[str]]) -> None:
    with pytest.raises(SparsightError, match="is no name of a run"):
        jobs.start({**RECIPE, "source": "digits"}, name)
    assert asked == []


def test_runs_go_into_the_folder_under_names_that_are_free(jobs: Jobs, tmp_path: Path, asked: list[list[str]]) -> None:
    (tmp_path / "toy").mkdir()
    recipe = {**RECIPE, "source": "digits"}
    places = [jobs.start(recipe).place, jobs.start(recipe).place]
    assert [place.relative_to(tmp_path).name for place in places] == ["toy-2", "toy-3"]
    assert asked[0][:4] == [sys.executable, "-m", "sparsight", "train"]
    assert asked[0][asked[0].index("--out") + 1] == str(tmp_path / "toy-2")


def test_no_more_than_two_are_trained_at_once(jobs: Jobs, asked: list[list[str]]) -> None:
    recipe = {**RECIPE, "source": "digits"}
    first, second = jobs.start(recipe), jobs.start(recipe)
    with pytest.raises(SparsightError, match="toy and toy-2 are being trained, and no more than 2 at once"):
        jobs.start(recipe)
    first.stop()
    wait(lambda: not first.running)
    assert jobs.start(recipe).running and second.running
    assert len(asked) == 3


def test_they_know_the_plugins_that_the_explorer_knows(
    jobs: Jobs, tmp_path: Path, asked: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text("")
    monkeypatch.setattr(spec, "_PLUGINS", [])
    spec.load_plugin(tmp_path / "mine.py")
    jobs.start({**RECIPE, "source": "digits"})
    assert asked[0][asked[0].index("--plugin") + 1] == str(tmp_path / "mine.py")


def test_at_the_end_all_are_stopped(tmp_path: Path, asked: list[list[str]]) -> None:
    jobs = Jobs(tmp_path)
    started = [jobs.start({**RECIPE, "source": "digits"}) for _ in range(2)]
    jobs.close()
    assert not any(job.running for job in started)
    assert [job.state for job in started] == ["ended", "ended"]
    assert not Path(jobs.scratch.name).exists()


def test_what_cannot_be_resumed_is_one_sentence(jobs: Jobs, tmp_path: Path) -> None:
    short = {**RECIPE, "train": {**RECIPE["train"], "epochs": 1.0}}
    run = train(Recipe.parse(short), tmp_path / "run", toy_source())
    with pytest.raises(SparsightError, match="'run' has ended"):
        jobs.resume(run)
    (run.path / "summary.json").unlink()
    with pytest.raises(SparsightError, match="given in memory"):
        jobs.resume(run)
    with run.held(), pytest.raises(SparsightError, match="trained by another program: press Ctrl-C there"):
        jobs.stop(run)


def test_a_failure_without_a_word_has_its_code(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    process.wait()
    (tmp_path / "errors").write_text("\n")
    assert Job(0, tmp_path / "run", process, tmp_path / "errors").said == "training ended with the code 3"
