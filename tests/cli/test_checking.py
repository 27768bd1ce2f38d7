"""`sparsight data check`."""

import json
from pathlib import Path

import pytest
import torch
from commands import sparsight

from sparsight.shards import ShardWriter


def test_a_folder_of_shards_is_described_and_its_damage_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = ShardWriter(tmp_path, {"x": ("float16", 8)}, rows_per_shard=10)
    for _ in range(2):
        writer.append(x=torch.ones(10, 8))
        writer.mark()
    assert sparsight("data", "check", str(tmp_path), monkeypatch=monkeypatch) == 0
    said = capsys.readouterr().out
    assert "20 rows in 2 shards: x (float16 × 8)" in said
    assert "every checksum is right" in said and "not complete" in said
    writer.close()
    assert sparsight("data", "check", str(tmp_path), "--json", monkeypatch=monkeypatch) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"], found["bytes"], found["complete"]) == (20, 320, True)
    (tmp_path / "0-00001.x").write_bytes(bytes(160))
    assert sparsight("data", "check", str(tmp_path), monkeypatch=monkeypatch) == 2
    assert "1 files of shards are damaged" in capsys.readouterr().err
    assert sparsight("data", "check", str(tmp_path / "none"), monkeypatch=monkeypatch) == 2
    assert "there is no folder" in capsys.readouterr().err
