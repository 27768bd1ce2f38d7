import errno
import gzip
import hashlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import sparsight
from filelock import FileLock

from sparsight import downloads
from sparsight.downloads import DataSet, File, fetching
from sparsight.downloads.fetching import get
from sparsight.errors import SparsightError
from sparsight.sources import open_source
from sparsight.spec import build

CONTENT = np.random.default_rng(0).integers(0, 256, 200_000, np.uint8).tobytes()


class Mirror:
    """A server on this machine; `answers` says for each path what it does."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, bytes, int]] = {}  # status, body, and the length it claims
        self.asked: list[str] = []
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.asked.append(self.path)
                status, body, length = mirror.answers.get(self.path, (404, b"", 0))
                self.send_response(status)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_port}/"

    def serve(self, name: str, body: bytes, status: int = 200, length: int | None = None) -> None:
        self.answers[f"/{name}"] = (status, body, len(body) if length is None else length)


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    made = Mirror()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPARSIGHT_DATA", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "cache"


def data_set(*mirrors: str, content: bytes = CONTENT, name: str = "x.gz") -> DataSet:
    file = File(name=name, sha256=hashlib.sha256(content).hexdigest(), size=len(content), packed=len(content))
    return DataSet(name="toy", summary="", licence="", source="idx", opens=name, mirrors=mirrors, files=(file,))


def refused(data: DataSet, said: str) -> None:
    with pytest.raises(SparsightError, match=said) as caught:
        get(data)
    assert "\n" not in str(caught.value)
    left = [path.name for path in data.folder.iterdir()] if data.folder.is_dir() else []
    assert set(left) <= {".lock"}


def test_a_file_is_fetched_once_and_is_then_in_its_place(mirror: Mirror, cache: Path) -> None:
    data, seen = data_set(mirror.address), []
    mirror.serve("x.gz", gzip.compress(CONTENT))
    assert not data.here
    with pytest.raises(SparsightError, match="toy is not here yet: `sparsight data get toy` fetches 0 MB"):
        data.path()
    assert get(data, lambda file, n: seen.append(n)) == ["x.gz"]
    assert data.here
    assert data.path() == cache / "toy" / "x.gz"
    assert gzip.decompress(data.path().read_bytes()) == CONTENT
    assert seen == sorted(seen) and seen[-1] == len(gzip.compress(CONTENT))
    assert get(data) == []
    assert mirror.asked == ["/x.gz"]


def test_who_packs_a_file_anew_changes_nothing(mirror: Mirror) -> None:
    mirror.serve("x.gz", gzip.compress(CONTENT, 1, mtime=3))
    assert get(data_set(mirror.address)) == ["x.gz"]


def test_a_file_that_is_not_packed_is_taken_as_it_is(mirror: Mirror) -> None:
    mirror.serve("x.h5ad", CONTENT)
    data = data_set(mirror.address, name="x.h5ad")
    assert get(data) == ["x.h5ad"]
    assert data.path().read_bytes() == CONTENT


def test_a_file_that_was_damaged_here_is_fetched_again(mirror: Mirror) -> None:
    data = data_set(mirror.address)
    mirror.serve("x.gz", gzip.compress(CONTENT))
    get(data)
    data.path().write_bytes(gzip.compress(CONTENT)[:1000])
    assert get(data) == ["x.gz"]
    assert gzip.decompress(data.path().read_bytes()) == CONTENT


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (gzip.compress(CONTENT[:-1] + b"x"), "gave another file: its SHA-256 is not the one that is known"),
        (gzip.compress(CONTENT + b"more"), "gave another file"),
        (gzip.compress(bytes(50_000_000)), "gave another file"),
        (b"<html>Please log in</html>", "gave something that is no gzip file"),
        (gzip.compress(CONTENT)[:-100], "gave something that is no gzip file, or a part of one"),
        (bytes(3_000_000), "gave more than this file has"),
        (b"", "gave another file"),
    ],
)
def test_another_file_than_the_known_one_is_never_kept(body: bytes, said: str, mirror: Mirror) -> None:
    mirror.serve("x.gz", body)
    refused(data_set(mirror.address), rf"x.gz of toy could not be fetched \(127.0.0.1:\d+ {said}")


def test_a_connection_that_breaks_is_named_with_how_far_it_came(mirror: Mirror) -> None:
    mirror.serve("x.gz", gzip.compress(CONTENT)[:70_000], length=200_074)
    refused(data_set(mirror.address), r"127.0.0.1:\d+ broke off after 70,000 of 200,074 bytes")


@pytest.mark.parametrize(("status", "said"), [(404, "answered 404 Not Found"), (503, "answered 503 Service")])
def test_what_the_server_answers_is_named(status: int, said: str, mirror: Mirror) -> None:
    mirror.serve("x.gz", b"", status)
    refused(data_set(mirror.address), said)


def test_without_a_network_the_sentence_says_what_can_be_done() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/"
    refused(data_set(address), r"cannot be reached: Connection refused\): look at the network .* put the file into")
    refused(data_set("http://nowhere.invalid/"), r"nowhere.invalid cannot be reached: .*")


def test_a_server_that_is_silent_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "PATIENCE", 0.1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        refused(data_set(f"http://127.0.0.1:{silent.getsockname()[1]}/"), "broke off after 0 bytes|cannot be reached")


def test_the_next_mirror_is_asked_and_all_failures_are_named(mirror: Mirror) -> None:
    mirror.serve("good/x.gz", gzip.compress(CONTENT))
    mirror.serve("wrong/x.gz", gzip.compress(b"another"))
    mirrors = [f"{mirror.address}{name}/" for name in ("gone", "wrong", "good")]
    assert get(data_set(*mirrors)) == ["x.gz"]
    assert mirror.asked == ["/gone/x.gz", "/wrong/x.gz", "/good/x.gz"]
    other = replace(data_set(*mirrors[:2]), name="other")
    refused(other, r"\(127\S+ answered 404 Not Found; 127\S+ gave another file")


def test_one_process_fetches_at_a_time(mirror: Mirror) -> None:
    data = data_set(mirror.address)
    data.folder.mkdir(parents=True)
    with FileLock(data.folder / ".lock"):
        refused(data, "another process is fetching toy: wait until it has ended")


def test_a_folder_that_cannot_be_written_is_named(cache: Path) -> None:
    cache.write_text("a file in the place of the folder")
    refused(
        data_set("http://nowhere.invalid/"), r"cannot be written \(.*\), or set SPARSIGHT_DATA to a folder elsewhere"
    )


def test_a_full_disk_is_said_and_leaves_nothing(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror.serve("x.gz", gzip.compress(CONTENT))

    def full(self: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    refused(data_set(mirror.address), "the disk of .* is full: make room for 0 MB, or set SPARSIGHT_DATA")


# --- the shelf --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", downloads.names())
def test_every_data_set_says_what_is_needed(name: str) -> None:
    data = downloads.read(name)
    assert data.opens in [file.name for file in data.files]
    assert all(len(file.sha256) == 64 and file.size >= file.packed > 0 for file in data.files)
    assert data.mirrors[0].startswith("https://")
    assert all(mirror.endswith("/") for mirror in data.mirrors)
    assert open_source(name) == {"name": data.source, "path": name}
    with pytest.raises(SparsightError, match=f"{name} is not here yet: `sparsight data get {name}` fetches"):
        build("source", open_source(name))


def test_the_cache_is_where_the_platform_keeps_such_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPARSIGHT_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    monkeypatch.setattr("sys.platform", "linux")
    assert downloads.folder() == Path("/caches/sparsight")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert downloads.folder() == Path.home() / ".cache" / "sparsight"
    monkeypatch.setattr("sys.platform", "darwin")
    assert downloads.folder() == Path.home() / "Library" / "Caches" / "sparsight"


def test_the_commands_fetch_list_and_name_mistakes(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror.serve("x.gz", gzip.compress(CONTENT))
    toy = replace(data_set(mirror.address), licence="of the toy")
    monkeypatch.setattr(downloads, "read", lambda name: toy)
    assert sparsight("data", "get", "toy", monkeypatch=monkeypatch) == 0
    said = capsys.readouterr().out
    assert f"toy is in {toy.folder}: 1 files were fetched" in said
    assert "of the toy" in said
    monkeypatch.undo()
    assert sparsight("data", "list", monkeypatch=monkeypatch) == 0
    assert "mnist" in capsys.readouterr().out
    assert sparsight("data", "get", "mnst", monkeypatch=monkeypatch) == 2
    assert "there is no data set 'mnst' to fetch; did you mean 'mnist'?" in capsys.readouterr().err
