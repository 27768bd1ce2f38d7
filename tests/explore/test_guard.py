"""Who may ask for what."""

import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from browsing import served, trained
from starlette.testclient import TestClient

from sparsight.errors import SparsightError
from sparsight.explore.app import app
from sparsight.explore.guard import MOST
from sparsight.explore.serving import bound
from sparsight.explore.shelf import Shelf

HOST = "127.0.0.1:8000"
TOKEN = "a-secret"


def client(shelf: Shelf, **guard: Any) -> TestClient:
    made = app(shelf, **{"hosts": frozenset({HOST}), "token": TOKEN, **guard})
    return TestClient(made, base_url=f"http://{HOST}", raise_server_exceptions=False)


def test_another_name_that_points_here_is_refused(shelf: Shelf) -> None:
    asking = client(shelf)
    assert asking.get("/api/run/first/about").status_code == 200
    for host in ("evil.example", "127.0.0.1:9", "127.0.0.1", ""):
        assert asking.get("/api/run/first/about", headers={"Host": host}).status_code == 403


def test_pages_of_another_origin_are_refused(shelf: Shelf) -> None:
    asking = client(shelf)
    assert asking.get("/api/run/first/about", headers={"Origin": f"http://{HOST}"}).status_code == 200
    for origin in ("http://evil.example", "null", f"http://{HOST}.evil.example", "http://127.0.0.1:9"):
        assert asking.get("/api/run/first/about", headers={"Origin": origin}).status_code == 403
    for site, status in (("same-origin", 200), ("none", 200), ("cross-site", 403), ("same-site", 403)):
        assert asking.get("/api/run/first/about", headers={"Sec-Fetch-Site": site}).status_code == status


def test_every_call_that_is_no_reading_needs_the_token(shelf: Shelf) -> None:
    asking = client(shelf)
    routes = [
        (method, route.path.replace("{run}", "first").replace("{feature}", "1").replace("{recipe}", "strokes"))
        for mount in asking.app.routes  # pyright: ignore[reportAttributeAccessIssue, reportFunctionMemberAccess]
        for route in getattr(mount, "routes", ())
        for method in route.methods - {"GET", "HEAD"}
    ]
    assert len(routes) > 1
    for method, path in routes:
        for header in ({}, {"X-Sparsight-Token": ""}, {"X-Sparsight-Token": TOKEN + "x"}):
            answer = asking.request(method, f"/api{path}", headers=header, json={})
            assert answer.status_code == 403, (method, path)
            assert "token" in answer.json()["error"]
    good = asking.put("/api/run/first/note/1", headers={"X-Sparsight-Token": TOKEN}, json={"text": ""})
    assert good.status_code == 200


def test_beyond_this_machine_reading_needs_the_token_as_well(shelf: Shelf) -> None:
    asking = client(shelf, private=True, open_to_addresses=True)
    assert asking.get("/").status_code == 200
    assert asking.get("/api/run/first/about").status_code == 403
    known = {"X-Sparsight-Token": TOKEN}
    assert asking.get("/api/run/first/about", headers=known).status_code == 200
    assert asking.get("/api/run/first/about", headers={**known, "Host": "10.1.2.3:8000"}).status_code == 200
    assert asking.get("/api/run/first/about", headers={**known, "Host": "evil.example"}).status_code == 403


def test_every_answer_forbids_scripts_of_others(shelf: Shelf) -> None:
    asking = client(shelf)
    for path in ("/", "/main.js", "/nothing", "/api/nothing", "/api/run/first/about"):
        headers = asking.get(path).headers
        policy = headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/../pyproject.toml", "/%2e%2e/pyproject.toml", "/..%2f..%2fetc%2fpasswd", "/web/index.html", "/__init__.py",
        "/api/run/..%2f..%2fetc/about", "/api/run/%2e%2e/about", "/api/run/first/column/..%2f..%2frecipe",
        "/api/run/first%2f..%2fsecond/about", "/api/run/%00/about", "/api/run/first/charts/..%2frecipe",
    ],
)  # fmt: skip
def test_no_path_of_an_address_reaches_a_file(shelf: Shelf, path: str) -> None:
    answer = client(shelf).get(path)
    assert answer.status_code in (400, 404)
    assert "error" in answer.json()


def test_bodies_are_bounded(shelf: Shelf) -> None:
    asking = client(shelf)
    known = {"X-Sparsight-Token": TOKEN}
    assert asking.put("/api/run/first/note/1", headers=known, content=b"x" * (MOST + 1)).status_code == 413

    def streamed() -> Any:
        for _ in range(MOST // 2**16 + 2):
            yield b"x" * 2**16

    assert asking.put("/api/run/first/note/1", headers=known, content=streamed()).status_code == 413


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"text": 3}', b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_no_note_is_one_sentence(shelf: Shelf, content: bytes) -> None:
    answer = client(shelf).put("/api/run/first/note/1", headers={"X-Sparsight-Token": TOKEN}, content=content)
    assert answer.status_code == 400
    assert "\n" not in answer.json()["error"]


@pytest.mark.parametrize(
    "path",
    [
        "run/first/tiles?of=decoder&ids=64", "run/first/tiles?of=decoder&ids=-1", "run/first/tiles?of=decoder&ids=1;2",
        "run/first/tiles?of=x&ids=1",
        f"run/first/tiles?of=decoder&ids={'1,' * 5000}1", "run/first/samples?ids=99999999",
        "run/first/feature/64", "run/first/feature/x", "run/first/feature/1e3", "run/first/column/top_ids",
        "run/first/feature/٣", "run/first/charts/nothing",
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_one_sentence(shelf: Shelf, path: str) -> None:
    answer = client(shelf).get(f"/api/{path}")
    assert answer.status_code in (400, 404)
    assert "\n" not in answer.json()["error"]


def test_what_goes_wrong_inside_tells_nothing_of_this_machine(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("/secret/place")

    monkeypatch.setattr("sparsight.views.about.about", broken)
    answer = client(shelf).get("/api/run/first/about")
    assert answer.status_code == 500
    assert "secret" not in answer.text


def test_a_port_that_is_in_use_is_one_sentence(shelf: Shelf) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SparsightError, match=f"cannot listen at 127.0.0.1:{port} .*choose another --port"):
            bound(shelf, port=port)
    with pytest.raises(SparsightError, match=r"cannot listen at nowhere\.invalid"):
        bound(shelf, host="nowhere.invalid")


def test_it_says_the_token_only_behind_the_hash(shelf: Shelf) -> None:
    first, second = bound(shelf), bound(shelf)
    for server in (first, second):
        assert server.address.startswith("http://127.0.0.1:")
        assert "/#token=" in server.address
        server.socket.close()
    assert first.address.split("=")[1] != second.address.split("=")[1]
    assert len(first.address.split("=")[1]) >= 32


def test_notes_survive_a_server_that_is_killed_and_clients_who_write_at_once(tmp_path: Path) -> None:
    run = trained(tmp_path / "run", n_latents=16)
    threads = [threading.Thread(target=run.put_note, args=(n, f"note {n}")) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert run.notes() == {n: f"note {n}" for n in range(16)}
    run.put_note(3, "  ")
    assert 3 not in run.notes()
    with pytest.raises(SparsightError, match="too long"):
        run.put_note(3, "x" * 20_001)
    (run.path / "notes.json").write_text("{")
    with pytest.raises(SparsightError, match="damaged"):
        run.put_note(3, "lost?")
    assert (run.path / "notes.json").read_text() == "{"


def test_a_server_in_a_thread_answers_and_ends(shelf: Shelf) -> None:
    server = served(shelf)
    with socket.create_connection(server.socket.getsockname()) as talking:
        talking.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"403" in talking.recv(64)
    server.stop()
