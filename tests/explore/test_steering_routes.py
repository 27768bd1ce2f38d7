"""What the page for steering asks of the server."""

import time
from pathlib import Path
from typing import Any

import pytest
from behind import behind, learned
from starlette.testclient import TestClient
from toys import samples

from sparsight.explore import steering
from sparsight.explore.app import app
from sparsight.explore.shelf import Shelf
from sparsight.sources.arrays import Arrays

TOKEN = "a token"
TEXT = "in the heaven was light"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("steered")
    for kind in ("llama", "bert"):
        behind(folder, kind)
    learned(None, folder / "plain", Arrays(data=samples(128).numpy()))
    return folder


@pytest.fixture
def client(place: Path) -> TestClient:
    made = app(Shelf([place]), hosts=frozenset({"testserver"}), token=TOKEN)
    return TestClient(made, headers={"X-Sparsight-Token": TOKEN})


def loaded(client: TestClient, run: str) -> Any:
    client.post(f"/api/run/{run}/steer/load")
    for _ in range(600):
        record = client.get(f"/api/run/{run}/steer").json()
        if record["state"] != "loading":
            return record
        time.sleep(0.05)
    raise AssertionError("it is never loaded")


def steer(client: TestClient, run: str, **body: Any) -> Any:
    return client.post(f"/api/run/{run}/steer", json={"text": TEXT, **body})


def test_a_model_is_loaded_when_it_is_first_asked_for(client: TestClient) -> None:
    start = client.get("/api/run/llama/steer").json()
    assert (start["state"], start["at"], start["transcoder"]) == ("absent", "model.layers.1", False)
    assert start["model"].endswith("llama-model")
    refused = steer(client, "llama")
    assert refused.status_code == 400 and "not loaded yet" in refused.json()["error"]
    ready = loaded(client, "llama")
    assert (ready["state"], ready["causal"], ready["name"]) == ("ready", True, "llama-model")


def test_a_model_that_predicts_goes_on_with_the_text(client: TestClient) -> None:
    loaded(client, "llama")
    found = steer(client, "llama", edits=[{"feature": 3, "by": 5.0}, {"feature": 4, "to": 0.0}], more=5).json()
    assert found["features"] == [3, 4] and set(found["continued"]) == {"before", "after"}
    assert len(found["next"]) >= 10 and sum(p for _, p, _ in found["next"]) <= 1.000001
    assert [token["text"].strip() for token in found["tokens"]] == TEXT.split()


def test_one_model_is_held_at_a_time_and_another_takes_its_place(client: TestClient) -> None:
    loaded(client, "llama")
    assert loaded(client, "bert")["causal"] is False
    assert client.get("/api/run/llama/steer").json()["state"] == "absent"
    found = steer(client, "bert", edits=[{"feature": 3, "by": 9.0}]).json()
    assert found["cosine"] < 1 and "next" not in found


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"text": ""}, "write some text"),
        ({"text": "x" * 5000}, "text"),
        ({"edits": [{"feature": 99, "by": 1}]}, "there is no feature 99"),
        ({"edits": [{"feature": 1, "by": 1, "to": 1}]}, "give one of the two"),
        ({"edits": [{"feature": 1, "by": 1e300}]}, "edits"),
        ({"edits": [{"feature": 1, "by": 1}] * 9}, "edits"),
        ({"more": 10_000}, "more"),
        ({"wrong": 1}, "wrong"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(client: TestClient, body: dict[str, Any], said: str) -> None:
    loaded(client, "llama")
    answer = steer(client, "llama", **body)
    assert answer.status_code == 400 and said in answer.json()["error"]


def test_without_the_token_nothing_is_loaded(client: TestClient) -> None:
    for path in ("steer", "steer/load"):
        answer = client.post(f"/api/run/llama/{path}", json={"text": TEXT}, headers={"X-Sparsight-Token": "other"})
        assert answer.status_code == 403
    assert client.get("/api/run/llama/steer").json()["state"] == "absent"


def test_data_without_a_model_are_a_sentence_and_the_run_says_that_it_cannot_be_steered(client: TestClient) -> None:
    answer = client.get("/api/run/plain/steer")
    assert answer.status_code == 400 and "come from no model that reads texts" in answer.json()["error"]
    assert client.get("/api/run/plain/about").json()["steers"] is False
    assert client.get("/api/run/llama/about").json()["steers"] is True


def test_a_model_that_cannot_be_loaded_says_why_and_is_tried_again(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(model: Any) -> Any:
        raise RuntimeError("no memory")

    with monkeypatch.context() as changed:
        changed.setattr(steering, "open_host", broken)
        failed = loaded(client, "llama")
    assert failed["state"] == "failed" and "no memory" in failed["said"]
    assert loaded(client, "llama")["state"] == "ready"


def test_others_are_answered_while_a_text_is_read_and_a_second_text_is_told_to_wait(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(client, "llama")
    monkeypatch.setattr(steering, "PATIENCE", 0.01)
    shed: steering.Shed = client.app.state.shed  # pyright: ignore[reportAttributeAccessIssue, reportFunctionMemberAccess]
    assert shed.held is not None
    with shed.held[1].work:
        assert client.get("/api/run/llama/about").status_code == 200
        answer = steer(client, "llama")
    assert answer.status_code == 400 and "reading another text" in answer.json()["error"]
    assert steer(client, "llama", more=0).status_code == 200
