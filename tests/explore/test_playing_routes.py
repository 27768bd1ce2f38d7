"""What the playground asks of the server."""

import base64
import json
import shutil
import socket
from typing import Any

import numpy as np
import pytest
import torch
from starlette.testclient import TestClient

from sparsight.explore.app import app
from sparsight.explore.serving import Server
from sparsight.explore.shelf import Shelf

TOKEN = "a token"


@pytest.fixture(scope="module")
def client(shelf: Shelf) -> TestClient:
    made = app(shelf, hosts=frozenset({"testserver"}), token=TOKEN)
    return TestClient(made, headers={"X-Sparsight-Token": TOKEN})


def packed(values: np.ndarray) -> str:
    return base64.b64encode(values.astype("<f4").tobytes()).decode()


def numbers_of(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<f4")


def post(client: TestClient, path: str, **body: Any) -> Any:
    answer = client.post(f"/api/run/first/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_it_begins_with_what_can_be_played_with(client: TestClient) -> None:
    record = client.get("/api/run/first/play").json()
    assert record["inputs"]["shape"] == [28, 28] and record["outputs"]["count"] == 784
    assert (record["inputs"]["low"], record["inputs"]["high"], record["paper"]) == (0, 1, 0)
    assert record["beside"] == ["second"] and record["generates"] is None
    assert len(record["examples"]) == len(record["labels"])


def test_a_sample_of_the_data_is_what_the_same_numbers_are(client: TestClient, shelf: Shelf) -> None:
    sample = shelf.opened("first").source.gather(torch.tensor([4]))[0].numpy()
    named, sent = post(client, "play", id=4), post(client, "play", sample=packed(sample))
    assert named == sent
    np.testing.assert_array_equal(numbers_of(named["sample"]), sample)
    assert len(named["features"]) == named["fires"] == 8
    largest = np.asarray(shelf.opened("first").atlas["max"])
    np.testing.assert_allclose(named["largest"], largest[named["features"]], rtol=1e-3)


def test_edits_change_the_output_and_nothing_else(client: TestClient) -> None:
    plain = post(client, "play", id=4)
    edited = post(client, "play", id=4, edits={str(plain["features"][0]): 0})
    assert edited["recon"] == plain["recon"] == plain["edited"]
    assert edited["codes"] == plain["codes"] and edited["edited_codes"][0] == 0
    assert edited["edited_explained"] < edited["explained"] == plain["explained"]


def test_a_build_up_ends_with_what_is_played(client: TestClient) -> None:
    built = post(client, "play/build", id=4, most=8)
    sums = numbers_of(built["sums"]).reshape(9, 784)
    np.testing.assert_allclose(sums[-1], numbers_of(post(client, "play", id=4)["recon"]), atol=1e-5)
    assert built["features"] == post(client, "play", id=4)["features"]


def test_generated_samples_are_a_function_of_seed_and_class(client: TestClient) -> None:
    first = post(client, "play/generate", seed=1, n=3)
    assert first == post(client, "play/generate", seed=1, n=3) != post(client, "play/generate", seed=2, n=3)
    assert len(numbers_of(post(client, "play/generate", seed=1, n=2, label="7")["outputs"])) == 2 * 784


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("play", {}, "give a sample, or the id of one of the data"),
        ("play", {"id": 1, "sample": ""}, "give a sample, or the id of one of the data"),
        ("play", {"id": 10**6}, "there is no sample 1000000"),
        ("play", {"id": -1}, "greater than or equal to 0"),
        ("play", {"sample": "AAAA"}, "a sample is float32 numbers in base64"),
        ("play", {"sample": "?"}, "a sample is float32 numbers in base64"),
        ("play", {"sample": packed(np.zeros(3))}, "a sample has 784 numbers, and here are 3"),
        ("play", {"sample": packed(np.full(784, np.nan))}, "number 1 of the sample is nan"),
        ("play", {"id": 1, "edits": {"64": 1}}, "there is no feature 64"),
        ("play", {"id": 1, "edits": {"x": 1}}, "should be a valid integer"),
        ("play", {"id": 1, "most": 1000}, "less than or equal to 256"),
        ("play", {"id": 1, "edit": {}}, "the request has no 'edit'; did you mean 'edits'?"),
        ("play/build", {"id": 1, "most": 1000}, "less than or equal to 256"),
        ("play/generate", {"seed": 1, "n": 65}, "less than or equal to 64"),
        ("play/generate", {"label": "11"}, "the atlas knows no class '11'"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(client: TestClient, path: str, body: dict[str, Any], said: str) -> None:
    answer = client.post(f"/api/run/first/{path}", json=body)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_codes_that_are_not_finite_are_refused(client: TestClient) -> None:
    answer = client.post("/api/run/first/play", content=json.dumps({"id": 1, "edits": {"3": float("nan")}}))
    assert answer.status_code == 400 and "feature 3 cannot be set to nan" in answer.json()["error"]


def test_work_needs_the_token(client: TestClient) -> None:
    for path in ("play", "play/build", "play/generate"):
        answer = client.post(f"/api/run/first/{path}", json={"id": 1}, headers={"X-Sparsight-Token": "another"})
        assert answer.status_code == 403


def test_a_damaged_run_beside_it_does_not_stop_the_game(client: TestClient, shelf: Shelf) -> None:
    damaged = shelf.home / "damaged"
    shutil.copytree(shelf.run("second").path, damaged)
    (damaged / "summary.json").write_text("{")
    try:
        assert client.get("/api/run/first/play").json()["beside"] == ["second"]
    finally:
        shutil.rmtree(damaged)


def test_answers_that_follow_each_other_do_not_wait(server: Server) -> None:
    """Only of a socket that names its protocol asyncio sends at once; else answers come no faster than every 40 ms."""
    assert server.socket.proto == socket.IPPROTO_TCP
