import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from browsing import serving
from toys import samples, toy_source

from sparsight import recipes
from sparsight.core import Finding
from sparsight.explore import training
from sparsight.explore.serving import Server
from sparsight.explore.shelf import Shelf
from sparsight.job import Recipe, completed, train
from sparsight.run import Run

RECIPE: dict[str, Any] = {
    "name": "toy",
    "n_latents": 24,
    "architecture": {"name": "topk", "k": 4},
    "train": {"epochs": 1.0, "batch_size": 64, "log_every": 2},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run that has ended and was judged, and one that was interrupted."""
    run = train(Recipe.parse(RECIPE), tmp_path / "runs" / "ended", toy_source())
    shutil.copytree(run.path, run.path.parent / "begun")
    for name in ("summary.json", "model.safetensors"):
        (run.path.parent / "begun" / name).unlink()
    run.put_findings([])
    return tmp_path / "runs"


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    with serving(Shelf([folder])) as started:
        yield started
    wait(lambda: started.socket.fileno() < 0)


@pytest.fixture
def client(server: Server) -> Iterator[httpx2.Client]:
    address, token = server.address.split("#token=")
    with httpx2.Client(base_url=f"{address}api", headers={"X-Sparsight-Token": token}, timeout=30) as made:
        yield made


class Listener:
    """The events of a stream, as they come."""

    def __init__(self, client: httpx2.Client, path: str) -> None:
        self.events: list[tuple[str, Any]] = []
        self.ended = self.leaving = False
        self.thread = threading.Thread(target=self._listen, args=(client, path), daemon=True)
        self.thread.start()

    def _listen(self, client: httpx2.Client, path: str) -> None:
        name = ""
        with client.stream("GET", path) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    self.events.append((name, json.loads(line.removeprefix("data: "))))
                if self.leaving:
                    return
        self.ended = True

    def last(self, name: str) -> Any:
        return next((value for known, value in reversed(self.events) if known == name), None)


def wait(until: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_run_that_has_ended_is_told_as_a_whole_and_the_stream_ends(client: httpx2.Client) -> None:
    heard = Listener(client, "run/ended/live")
    wait(lambda: heard.ended)
    assert [name for name, _ in heard.events] == ["log", "findings", "snapshot", "state"]
    assert [record["step"] for record in heard.last("log")] == [2, 4, 6, 8]
    assert heard.last("state") == {"state": "finished", "ours": False, "stopping": False, "said": None}
    record = client.get("run/ended/log").json()
    assert {name: record[name] for name in ("log", "snapshot", "findings")} == {
        name: heard.last(name) for name in ("log", "snapshot", "findings")
    }


def test_a_run_is_watched_while_it_is_trained_and_until_its_folder_is_gone(client: httpx2.Client, folder: Path) -> None:
    run = Run.open(folder / "begun")
    heard = Listener(client, "run/begun/live?after=6")
    wait(lambda: heard.last("state"))
    assert heard.last("state")["state"] == "interrupted"
    assert [record["step"] for record in heard.last("log")] == [8]
    lines, state = run.log(), run.latest()
    assert state is not None
    with run.held():
        wait(lambda: heard.last("state")["state"] == "training")
        run.append(lines[0])
        run.checkpoint(9, {**state, "number": 9})
        wait(lambda: heard.last("snapshot")["step"] == 9)
        assert [record["step"] for record in heard.last("log")] == [2]
    wait(lambda: heard.last("state")["state"] == "interrupted")
    assert not heard.ended
    shutil.rmtree(run.path)
    wait(lambda: heard.ended)
    assert heard.events[-1] == ("error", {"error": "the folder of the run is gone"})


def test_nobody_looks_at_a_run_for_a_client_that_went_away(
    client: httpx2.Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []
    state = training._state
    monkeypatch.setattr(training, "_state", lambda *given: looks.append(time.monotonic()) or state(*given))
    heard = Listener(client, "run/begun/live")
    wait(lambda: heard.last("state"))
    heard.leaving = True
    Run.open(folder / "begun").append(Run.open(folder / "ended").log()[0])
    heard.thread.join(10)
    time.sleep(2 * training.EVERY)
    seen = len(looks)
    time.sleep(4 * training.EVERY)
    assert len(looks) == seen > 0


def test_the_server_ends_although_somebody_watches(client: httpx2.Client, server: Server) -> None:
    heard = Listener(client, "run/begun/live")
    wait(lambda: heard.last("state"))
    server.stop()
    wait(lambda: heard.ended, 5)


def test_filters_of_a_run_that_has_not_ended_are_bytes(client: httpx2.Client, folder: Path) -> None:
    content = client.get("run/begun/live/tiles?of=encoder").content
    peaks = np.frombuffer(content, "<f4", 24)
    snapshot = Run.open(folder / "begun").snapshot()
    assert snapshot is not None
    np.testing.assert_allclose(peaks, snapshot[1].filters()["encoder"].abs().amax(1).numpy(), rtol=1e-6)
    assert len(content) == 24 * (4 + 16)
    assert client.get("run/begun/live/tiles?of=both").status_code == 400


def test_a_form_begins_with_a_recipe_and_every_default(client: httpx2.Client) -> None:
    found = client.get("form/strokes").json()
    assert found["given"] == recipes.read("strokes")
    assert found["completed"] == json.loads(json.dumps(completed(Recipe.parse(recipes.read("strokes")))))
    assert "topk" in client.get("form").json()["parts"]["architecture"]
    assert client.get("run/ended/recipe").json()["given"]["n_latents"] == 24


@pytest.mark.parametrize("name", ["nothing", "..%2Fstrokes", "%2Fetc%2Fpasswd.toml", "strokes.toml"])
def test_a_recipe_is_a_name_and_no_path(name: str, client: httpx2.Client) -> None:
    assert client.get(f"form/{name}").status_code in (400, 404)


def test_what_is_asked_for_is_checked_before_it_is_trained(client: httpx2.Client) -> None:
    recipe = {**recipes.read("strokes"), "n_latents": 50}
    found = client.post("form", json={"recipe": recipe, "source": "digits"}).json()
    assert found["changes"] == {"n_latents": {"recipe": 200, "here": 50}}
    assert found["completed"]["source"] == {"name": "digits"}
    for wrong, said in (
        ({"recipe": {**recipe, "aim": {"l9": 3.0}}, "source": "nowhere.npy"}, "there is no file or folder"),
        ({"recipe": {**recipe, "n_latents": 0}}, "n_latents should be greater"),
        ({"recipe": {**recipe, "n_latent": 3}}, "did you mean 'n_latents'"),
        ({"recipe": [1]}, "holds no recipe"),
        ({"recipe": recipe, "source": 3}, "are text"),
        ({"recipe": recipe, "name": "../up", "source": "digits"}, "is no name of a run"),
    ):
        answer = client.post("jobs" if "name" in wrong else "form", json=wrong)
        assert answer.status_code == 400
        assert said in answer.json()["error"]


def test_without_the_token_nothing_is_started(client: httpx2.Client) -> None:
    for path in ("jobs", "form", "run/begun/resume", "run/begun/stop", "run/ended/mend"):
        answer = client.post(path, json={"recipe": RECIPE}, headers={"X-Sparsight-Token": "no"})
        assert answer.status_code == 403


def test_a_mended_recipe_is_trained_beside_its_run(client: httpx2.Client, folder: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", samples().numpy())
    recipe = {**RECIPE, "source": {"name": "arrays", "path": str(tmp_path / "x.npy")}}
    run = train(Recipe.parse(recipe), folder / "faulty")
    assert "nobody has looked for faults" in client.post("run/faulty/mend").json()["error"]
    finding = Finding(
        rule="dead", id="D1", severity="red", said="All are dead.", cause="", fix="", changes=("architecture.k=3",)
    )
    run.put_findings([finding])
    started = client.post("run/faulty/mend").json()
    assert started["changes"] == ["architecture.k=3"]

    def job() -> Any:
        return client.get(f"jobs/{started['job']}").json()

    wait(lambda: job()["state"] not in ("starting", "running"), 60)
    assert job() == {"job": started["job"], "state": "ended", "said": None, "run": "faulty-mended"}
    mended = Run.open(folder / "faulty-mended")
    assert mended.recipe["architecture"]["k"] == 3
    assert mended.summary is not None
    assert client.get("jobs/7").status_code == 400
