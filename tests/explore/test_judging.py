"""Findings and evidence, as they are served."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from sparsight.core import Claim, Evidence, Finding
from sparsight.explore.app import app
from sparsight.explore.shelf import Shelf
from sparsight.run import Run

TOKEN = {"X-Sparsight-Token": "secret"}
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def run(shelf: Shelf, tmp_path: Path) -> Run:
    path = tmp_path / "a run"
    shutil.copytree(shelf.run("first").path, path)
    (path / "findings.json").unlink()
    return Run.open(path)


@pytest.fixture
def client(run: Run) -> Iterator[TestClient]:
    with TestClient(app(Shelf([run.path]), hosts={"testserver"}, token="secret")) as found:
        yield found


def test_looking_needs_the_token_and_keeps_what_is_found(client: TestClient, run: Run) -> None:
    assert client.get("/api/run/a run/findings").json()["looked"] is False
    assert client.post("/api/run/a run/findings").status_code == 403
    assert not run.judged
    made = client.post("/api/run/a run/findings", headers=TOKEN).json()
    assert made["looked"] and [each["rule"] for each in made["findings"]] == [each.rule for each in run.findings()]
    assert client.get("/api/run/a run/findings").json() == made


def test_a_run_that_has_not_ended_is_judged_by_its_log(client: TestClient, run: Run) -> None:
    for name in ("summary.json", "model.safetensors"):
        (run.path / name).unlink()
    assert client.post("/api/run/a run/findings", headers=TOKEN).json()["looked"]
    evidence = client.get("/api/run/a run/evidence").json()
    assert not evidence["ended"] and not evidence["verified"]


def test_a_run_that_cannot_be_judged_says_why(client: TestClient, run: Run) -> None:
    (run.path / "model.safetensors").write_bytes(b"\0")
    answer = client.post("/api/run/a run/findings", headers=TOKEN)
    assert answer.status_code == 400 and "damaged" in answer.json()["error"]
    (run.path / "findings.json").write_text("{")
    assert "damaged" in client.get("/api/run/a run/findings").json()["error"]
    (run.path / "evidence.json").write_text("[]")
    assert "damaged" in client.get("/api/run/a run/evidence").json()["error"]
    assert client.get("/api/run/another/findings").status_code == 404


def test_words_are_served_as_they_are_in_json_alone(client: TestClient, run: Run) -> None:
    run.put_findings([Finding(rule=HOSTILE, id="X", severity="red", said=HOSTILE, cause=HOSTILE, fix=HOSTILE)])
    answer = client.get("/api/run/a run/findings")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json()["findings"][0]["said"] == HOSTILE


def test_evidence_is_served_with_its_charts(client: TestClient, run: Run) -> None:
    summary = run.summary
    assert summary is not None
    claim = Claim(
        name="stability", said=HOSTILE, value=0.7, low=0.6, high=0.8, null=0.3, holds=True, numbers={"nulls": {}}
    )
    columns = {"stability": np.linspace(0, 1, 64), "nearest_null": np.zeros(64), "real": np.arange(64) == 5}
    run.put_evidence(Evidence(claims=(claim,), columns=columns, rests_on={"weights": summary["weights"]}))
    record = client.get("/api/run/a run/evidence").json()
    assert record["verified"] and record["features"]["ids"][0] == 5
    assert set(record["charts"]) == {"Stability", "Stability against null data"}
