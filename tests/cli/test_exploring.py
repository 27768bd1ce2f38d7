"""`sparsight explore` as people type it."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from browsing import trained
from commands import sparsight


def test_it_serves_what_is_in_runs_until_ctrl_c_and_logs_no_secret(tmp_path: Path) -> None:
    trained(tmp_path / "runs" / "mine", n_latents=16)
    command = [sys.executable, "-m", "sparsight", "explore", "--no-browser"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        address = process.stdout.readline().strip()
        found = re.fullmatch(r"(http://127\.0\.0\.1:\d+/)#token=([\w-]{32})", address)
        assert found is not None
        request = urllib.request.Request(
            f"{found[1]}api/run/mine/note/3",
            data=b'{"text": "mine"}',
            method="PUT",
            headers={"X-Sparsight-Token": found[2]},
        )
        for attempt in range(100):
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    assert answer.status == 200
                break
            except OSError:
                assert attempt < 99
                time.sleep(0.05)
        process.kill()  # no clean end: what was answered is on disk
        process.wait(10)
        assert '"3": "mine"' in (tmp_path / "runs" / "mine" / "notes.json").read_text()
        assert found[2] not in process.stdout.read() + process.stderr.read()


def test_ctrl_c_ends_it_without_a_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sparsight", "explore", "--no-browser"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        address = process.stdout.readline().strip()
        for _ in range(200):
            try:
                urllib.request.urlopen(address, timeout=10).close()
                break
            except OSError:
                time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        process.wait(20)
        assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "there is no folder 'nowhere': give a run, or a folder that holds some"),
        (["."], "'.' holds no run: `sparsight train digits` makes one"),
        (["--port", "99999"], "less than or equal to 65535"),
        (["--data", "nothing.npy"], "there is no file or folder 'nothing.npy'"),
    ],
)
def test_a_mistake_is_one_sentence(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sparsight("explore", *words, "--no-browser", monkeypatch=monkeypatch) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_port_in_use_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert sparsight("explore", "--port", port, "--no-browser", monkeypatch=monkeypatch) == 2
    assert "choose another --port" in capsys.readouterr().err


def test_beyond_this_machine_it_says_what_it_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sparsight.explore.serving.Server.run", lambda self: self.socket.close())
    assert sparsight("explore", "--host", "0.0.0.0", "--no-browser", monkeypatch=monkeypatch) == 0
    said = capsys.readouterr().out
    assert "see these runs and their data, write notes, and train models here" in said
    assert "#token=" in said
