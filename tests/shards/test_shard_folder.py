"""Folders that are damaged, hostile or not complete: one sentence each."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_shard_writer import written

from sparsight.errors import SparsightError
from sparsight.shards import Shards, ShardWriter, open_folder
from sparsight.shards.reading import check


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    written(tmp_path, 12).close()
    return tmp_path


def change(folder: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    said = json.loads((folder / "index-0.json").read_text())
    edit(said)
    (folder / "index-0.json").write_text(json.dumps(said))


def test_a_missing_file_and_a_wrong_size_are_found_on_opening(folder: Path) -> None:
    place = folder / "0-00001.item"
    content = place.read_bytes()
    place.write_bytes(content[:-1])
    with pytest.raises(SparsightError, match=r"0-00001.item' has 23 bytes and not 24"):
        open_folder(folder)
    place.unlink()
    with pytest.raises(SparsightError, match=r"0-00001.item' is missing"):
        open_folder(folder)


def test_a_damaged_byte_is_found_by_its_checksum_in_the_file_that_is_named(folder: Path) -> None:
    check(open_folder(folder))
    place = folder / "0-00001.x"
    content = bytearray(place.read_bytes())
    content[5] ^= 1
    place.write_bytes(content)
    with pytest.raises(SparsightError, match=r"1 files of shards are damaged.*0-00001.x"):
        check(open_folder(folder))


def test_a_file_that_is_cut_off_while_it_is_read_is_said(folder: Path) -> None:
    shards = Shards(open_folder(folder))
    (folder / "0-00000.item").write_bytes(b"")
    with pytest.raises(SparsightError, match="was cut off while it was read"):
        shards.whole("item")
    (folder / "0-00001.x").unlink()
    with pytest.raises(SparsightError, match="cannot be read"):
        shards.read("x", np.array([7]))


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda said: said.update(version=2), "is of format 2, and this sparsight reads up to 1"),
        (lambda said: said.update(version="1"), "is no index of shards: version"),
        (lambda said: said.pop("columns"), "is no index of shards: columns"),
        (lambda said: said["columns"].pop("x"), "it needs a column x"),
        (lambda said: said["columns"].update({"../../x": {"type": "int32"}}), "no index of shards: columns"),
        (lambda said: said["columns"]["x"].update(width=-3), "columns.x.width"),
        (lambda said: said["columns"]["item"].update(width=1), "has a column 'item' of int32 × 1"),
        (lambda said: said["shards"][0].update(rows=0), "shards.0.rows"),
        (lambda said: said["shards"][0].update(rows=10**30), "has 72 bytes and not"),
        (lambda said: said["shards"][0].update(name="/etc/passwd"), "shards.0.name"),
        (lambda said: said["shards"][1]["sha256"].update(x="../x"), "shards.1.sha256.x"),
        (lambda said: said["shards"][1]["sha256"].pop("x"), "without a checksum for each column"),
        (lambda said: said.update(about=[]), "no index of shards: about"),
    ],
)
def test_an_index_that_is_newer_or_says_what_cannot_be_is_refused(
    folder: Path, edit: Callable[[dict[str, Any]], Any], said: str
) -> None:
    change(folder, edit)
    with pytest.raises(SparsightError, match=said):
        open_folder(folder)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b"null"])
def test_an_index_that_is_none_is_refused(folder: Path, content: bytes) -> None:
    (folder / "index-0.json").write_bytes(content)
    with pytest.raises(SparsightError, match=r"index-0.json' is (damaged|no index)"):
        open_folder(folder)


def test_writers_that_do_not_belong_together_are_told_apart(folder: Path, tmp_path: Path) -> None:
    ShardWriter(tmp_path / "other", {"x": ("float32", 4), "item": "int32"}).close()
    (tmp_path / "other" / "index-0.json").rename(folder / "index-1.json")
    with pytest.raises(SparsightError, match=r"x \(float32 × 3\).* by the writer '0', x \(float32 × 4\).* by '1'"):
        open_folder(folder)


def test_what_is_no_folder_of_shards_is_said(tmp_path: Path) -> None:
    with pytest.raises(SparsightError, match="there is no folder"):
        open_folder(tmp_path / "nowhere")
    with pytest.raises(SparsightError, match="holds no shards"):
        open_folder(tmp_path)


def test_more_files_than_may_be_open_are_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sparsight.shards.reading.OPEN", 1)
    shards = Shards(open_folder(folder))
    assert shards.whole("item").tolist() == list(range(12))
    assert shards.read("item", np.arange(12)[::-1].copy()).tolist() == list(range(12))[::-1]
    assert len(shards._open) == 1


def test_reads_that_come_slowly_are_announced_and_are_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shards = Shards(open_folder(folder))
    ids = np.array([0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11, 0, 2])
    quick = shards.read("x", ids)
    monkeypatch.setattr("sparsight.shards.reading.SLOW", 0.0)
    monkeypatch.setattr("sparsight.shards.reading.PROBED", 2)
    assert torch.equal(shards.read("x", ids), quick)
