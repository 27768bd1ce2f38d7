"""The table of runs and the comparison, as they are served."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browsing import trained
from starlette.testclient import TestClient

from sparsight.explore.app import app
from sparsight.explore.shelf import Shelf
from sparsight.views.comparing import matched

TOKEN = {"X-Sparsight-Token": "secret"}


@pytest.fixture(scope="module")
def folder(shelf: Shelf, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs with an atlas, a smaller one, one without an atlas, and one that is damaged."""
    place = tmp_path_factory.mktemp("compared")
    for name in ("first", "second"):
        shutil.copytree(shelf.run(name).path, place / name)
    trained(place / "small", n_latents=16)
    shutil.copytree(place / "first", place / "bare")
    shutil.rmtree(place / "bare" / "atlas")
    shutil.copytree(place / "first", place / "bad")
    (place / "bad" / "summary.json").write_text("{")
    (place / "bad" / "model.safetensors").write_bytes(b"\0")
    return place


@pytest.fixture
def client(folder: Path) -> Iterator[TestClient]:
    with TestClient(app(Shelf([folder]), hosts={"testserver"}, token="secret")) as found:
        yield found


def test_every_run_is_a_row_and_a_damaged_one_says_so(client: TestClient) -> None:
    record = client.get("/api/runs").json()
    rows = {row["key"]: row for row in record["rows"]}
    assert set(rows) == {"first", "second", "small", "bare", "bad"}
    assert "is damaged" in rows["bad"]["damaged"]
    assert rows["small"]["n_latents"] == 16 and rows["small"]["findings"] is not None
    assert list(record["charts"]) == ["Explained variance against L0"]


def test_pairs_are_served_in_pages_that_hold_all_of_them(client: TestClient, folder: Path) -> None:
    whole = client.get("/api/compare?runs=first,second").json()
    assert whole["of"] == 64 and whole["alone"] == 0
    assert [run["key"] for run in whole["runs"]] == ["first", "second"]
    assert whole["runs"][0]["shape"] == [28, 28]
    assert list(whole["charts"]) == ["Cosine to partners in second"]
    seen = []
    for start in range(0, 64, 25):
        seen += client.get(f"/api/compare/pairs?runs=first,second&from={start}&count=25").json()
    shelf = Shelf([folder])
    found = matched(shelf.opened("first").sae, shelf.opened("second").sae)
    assert sorted(pair["id"] for pair in seen) == list(range(64))
    assert [pair["partners"][0]["id"] for pair in seen] == [int(found.partner[pair["id"]]) for pair in seen]
    cosines = [pair["partners"][0]["cosine"] for pair in seen]
    assert cosines == sorted(cosines, reverse=True)
    np.testing.assert_allclose(cosines, np.sort(found.cosine)[::-1], rtol=1e-3)


def test_what_has_no_partner_is_listed(client: TestClient) -> None:
    lost = client.get("/api/compare/alone?runs=first,small&of=0&count=30").json()
    assert lost["of"] == 48 and len(lost["ids"]) == 30
    more = client.get("/api/compare/alone?runs=first,small&of=0&from=30&count=30").json()
    assert len(set(lost["ids"]) | set(more["ids"])) == 48
    pairs = client.get("/api/compare/pairs?runs=first,small&sort=id&down=0&count=64").json()
    without = [pair["id"] for pair in pairs if pair["partners"] == [None]]
    assert without == lost["ids"] + more["ids"]


def test_without_an_atlas_pairs_are_served_without_measures(client: TestClient) -> None:
    whole = client.get("/api/compare?runs=first,bare").json()
    assert whole["known"] == {} and whole["usual"] == []
    (pair,) = client.get("/api/compare/pairs?runs=first,bare&count=1").json()
    assert pair["partners"][0] == {"id": pair["id"], "cosine": 1.0, "measures": {}}


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("compare?runs=first", 400, "from 2 to 4 runs"),
        ("compare?runs=", 400, "from 2 to 4 runs"),
        ("compare?runs=first,first", 400, "compared with itself"),
        ("compare?runs=a,b,c,d,e", 400, "and these are 5"),
        ("compare?runs=first,nobody", 404, "there is no run 'nobody'"),
        ("compare?runs=first,..%2Fsecond", 404, "there is no run '../second'"),
        ("compare?runs=first,bad", 400, "damaged"),
        ("compare/pairs?runs=first,second&sort=rate", 400, "by id or by cosine"),
        ("compare/pairs?runs=first,second&measures=nonsense", 400, "not every run has the measure 'nonsense'"),
        ("compare/pairs?runs=first,second&count=100000", 400, "at most 400"),
        ("compare/pairs?runs=first,second&from=-1", 400, "numbers are written"),
        ("compare/pairs?runs=first,second&from=", 400, "from is a number"),
        ("compare/alone?runs=first,second&of=2", 400, "there is no run 2 among 2"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(client: TestClient, query: str, status: int, said: str) -> None:
    answer = client.get(f"/api/{query}")
    assert answer.status_code == status
    assert said in answer.json()["error"] and "\n" not in answer.json()["error"]


def test_measuring_needs_the_token_and_is_on_the_same_samples_beside_nulls(client: TestClient) -> None:
    assert client.post("/api/compare/measured?runs=first,small").status_code == 403
    record = client.post("/api/compare/measured?runs=first,small", headers=TOKEN).json()
    assert [(row["name"], row["kind"]) for row in record["rows"][:2]] == [("first", "run"), ("small", "run")]
    assert {"mean", "random"} <= {row["name"] for row in record["rows"][2:]}
    assert {figure["name"]: figure["better"] for figure in record["figures"]}["l0"] == "low"
    assert "held-out" in record["said"]
    assert json.dumps(record, allow_nan=False)
