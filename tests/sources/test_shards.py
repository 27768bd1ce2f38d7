"""Rows from shards as samples: labels, documents, tokens in context, places in pictures."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sparsight.core import Source
from sparsight.errors import SparsightError
from sparsight.job import Recipe, data_of, prepare, train
from sparsight.shards import ShardWriter
from sparsight.sources import open_source
from sparsight.spec import build

TEXTS = [["the", " cat", " sat"], ["a", " dog"], ["no", " one", " here", " but", " us"]]
WORDS = sorted({word for text in TEXTS for word in text})
DROPPED = {(0, 1), (2, 0)}
"""(document, position) of tokens that are not stored."""
COLUMNS: dict[str, Any] = {"x": ("float16", 4), "item": "int32", "position": "int32", "token": "int32"}


def opened(path: Path, **knobs: Any) -> Source:
    return build("source", {"name": "shards", "path": str(path), **knobs})


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    kept = [(d, p, WORDS.index(w)) for d, text in enumerate(TEXTS) for p, w in enumerate(text) if (d, p) not in DROPPED]
    with ShardWriter(tmp_path, COLUMNS, rows_per_shard=2, about={"kind": "text"}) as writer:
        for n, (item, position, token) in enumerate(torch.tensor(kept)):
            x = torch.full((1, 4), float(n))
            writer.append(x=x, item=item[None], position=position[None], token=token[None])
            writer.mark()
    (tmp_path / "vocabulary.json").write_text(json.dumps(WORDS))
    (tmp_path / "items.json").write_text(json.dumps(["first.txt", "second.txt"]))
    return tmp_path


def test_a_token_is_shown_in_its_text_over_the_ends_of_shards(texts: Path) -> None:
    source = opened(texts)
    last = source.context(len(source) - 1)
    assert last is not None and last.tokens is not None
    assert "".join(last.tokens) == " one here but us"
    assert last.here == 3
    assert last.origin == "item 2, token 4", "items.json names two of the three"
    near = source.context(len(source) - 1, reach=1)
    assert near is not None and near.tokens == (" but", " us")


def test_a_token_that_was_dropped_leaves_a_gap(texts: Path) -> None:
    context = opened(texts).context(0)
    assert context is not None
    assert context.tokens == ("the", "…", " sat")
    assert context.ids == (0, -1, 1)
    assert context.origin == "first.txt, token 0"


def test_numbers_in_a_context_are_those_of_the_part(texts: Path) -> None:
    source = opened(texts)
    part = source.take(torch.tensor([7, 1, 5, 0])).take(torch.tensor([3, 0, 1, 2]))  # rows 0, 7, 1, 5
    assert part.gather(torch.arange(4))[:, 0].tolist() == [0, 7, 1, 5]
    context = part.context(2)
    assert context is not None
    assert (context.ids, context.here) == ((0, -1, 2), 2)
    context = part.context(1)
    assert context is not None
    assert context.tokens == (" one", " here", " but", " us")
    assert (context.ids, context.here) == ((-1, 3, -1, 1), 3)


def test_documents_stay_whole_when_some_are_held_out(texts: Path) -> None:
    kept, held = opened(texts).split(0.3, 0)
    assert held is not None
    for part in (kept, held):
        groups = part.groups()
        assert groups is not None
        for number in range(len(part)):
            context = part.context(number)
            assert context is not None
            assert {int(groups[other]) for other in context.ids if other >= 0} == {int(groups[number])}


@pytest.mark.parametrize("content", ["{}", "[1]", "[", "null"])
def test_a_vocabulary_that_is_none_is_said(texts: Path, content: str) -> None:
    (texts / "vocabulary.json").write_text(content)
    with pytest.raises(SparsightError, match=r"vocabulary.json' is (no list of texts|damaged)"):
        opened(texts).context(0)


def test_a_place_in_a_picture_has_the_picture_and_its_grid(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 8, 12, 3), dtype=np.uint8)
    columns: dict[str, Any] = {"x": ("float32", 4), "item": "int32", "position": "int32"}
    cells = [(0, cell) for cell in range(6)] + [(1, cell) for cell in (0, 2, 3, 5)]
    item, position = torch.tensor(cells).T
    with ShardWriter(tmp_path, columns, rows_per_shard=3, about={"kind": "pictures", "grid": [2, 3]}) as writer:
        for rows in torch.arange(10).split(2):
            writer.append(x=rows[:, None].expand(-1, 4).float(), item=item[rows], position=position[rows])
            writer.mark()
    np.save(tmp_path / "pictures.npy", pictures)
    source = opened(tmp_path)
    context = source.context(7)
    assert context is not None and context.picture is not None
    assert (context.ids, context.here, context.grid) == ((6, -1, 7, 8, -1, 9), 2, (2, 3))
    np.testing.assert_array_equal(context.picture, pictures[1])
    np.save(tmp_path / "pictures.npy", pictures[:1])
    with pytest.raises(SparsightError, match=r"picture"):
        opened(tmp_path).context(7)


def test_rows_without_words_or_pictures_are_a_whole_each(texts: Path) -> None:
    (texts / "vocabulary.json").unlink()
    assert opened(texts).context(0) is None


def test_labels_have_the_names_that_the_index_gives(tmp_path: Path) -> None:
    columns: dict[str, Any] = {"x": ("float32", 2), "label": "int64"}
    for about, said in (({"classes": ["cat", "dog"]}, "dog"), ({}, "1")):
        folder = tmp_path / said
        with ShardWriter(folder, columns, about=about) as writer:
            writer.append(x=torch.eye(2), label=torch.tensor([1, -1]))
        source = opened(folder)
        assert source.show(0).label == said
        assert source.show(1).label is None
        labels = source.labels()
        assert labels is not None and labels.tolist() == [1, -1]
    with ShardWriter(tmp_path / "few", columns, about={"classes": ["cat"]}) as writer:
        writer.append(x=torch.eye(2), label=torch.tensor([1, -1]))
    with pytest.raises(SparsightError, match="labels go up to 1: give a text for each"):
        opened(tmp_path / "few")


def write(folder: Path, n: int, *, close: bool = True, **more: Any) -> ShardWriter:
    writer = ShardWriter(folder, {"x": ("bfloat16", 3)}, rows_per_shard=10, **more)
    writer.append(x=torch.arange(3.0 * n).view(n, 3))
    writer.mark()
    if close:
        writer.close()
    return writer


def test_a_folder_that_is_still_written_opens_with_what_is_complete_and_says_so(tmp_path: Path) -> None:
    writer = write(tmp_path, 10, close=False)
    writer.append(x=torch.zeros(5, 3))
    source = opened(tmp_path)
    assert len(source) == 10
    said = "the writer 0 has not come to its end, and the 10 rows that are complete are all that is used"
    assert [note.partition(": ")[2] for note in source.notes] == [said]
    job = prepare(Recipe.parse({"n_latents": 4, "architecture": {"name": "topk", "k": 2}}), source)
    assert any(said in note for note in job.notes)
    writer.close()
    assert (len(opened(tmp_path)), opened(tmp_path).notes) == (15, ())


def test_a_folder_without_a_complete_shard_has_no_samples(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, {"x": ("float32", 3)})
    with pytest.raises(SparsightError, match="holds 0 samples"):
        opened(tmp_path)
    writer.close()


def test_checksums_are_compared_where_all_is_small_or_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, 20)
    place = tmp_path / "0-00000.x"
    place.write_bytes(b"\xff" + place.read_bytes()[1:])
    with pytest.raises(SparsightError, match=r"0-00000.x"):
        opened(tmp_path)
    assert len(opened(tmp_path, check=False)) == 20
    monkeypatch.setattr("sparsight.sources.shards.CHECKED", 100)
    assert len(opened(tmp_path)) == 20
    with pytest.raises(SparsightError, match=r"0-00000.x"):
        opened(tmp_path, check=True)


def test_the_fingerprint_is_that_of_the_checksums_and_reads_nothing(tmp_path: Path) -> None:
    write(tmp_path, 20)
    source = opened(tmp_path)
    before = source.fingerprint()
    (tmp_path / "0-00000.x").write_bytes(b"")
    source._known = None  # type: ignore[attr-defined]
    assert source.fingerprint() == before
    assert source.take(torch.arange(19)).fingerprint() != before


def test_a_path_to_shards_is_known_as_one(tmp_path: Path) -> None:
    write(tmp_path / "shards", 5)
    assert open_source(str(tmp_path / "shards")) == {"name": "shards", "path": str(tmp_path / "shards")}


def test_all_that_comes_before_the_first_step_reads_a_glance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    n = 140_000
    write(tmp_path, n)
    source = opened(tmp_path, check=False)
    seen: list[int] = []
    read = source.shards.read  # type: ignore[attr-defined]
    monkeypatch.setattr(source.shards, "read", lambda column, ids: (seen.append(len(ids)), read(column, ids))[1])  # type: ignore[attr-defined]
    asked = {
        "n_latents": 4,
        "architecture": {"name": "topk", "k": 2},
        "preprocess": ["standardise"],
        "train": {"hold_out": 0.5, "epochs": 0.01},
    }
    job = prepare(Recipe.parse(asked), source)
    assert job.trainer.facts.n_samples == len(job.source) == n // 2, "the whole, though less was looked at"
    assert sum(seen) <= 2 * 65_536 + 20_000
    seen.clear()
    job.source.fingerprint()
    assert not seen


def test_what_is_measured_after_a_training_is_a_glance_and_is_said(tmp_path: Path) -> None:
    write(tmp_path / "shards", 140_000)
    asked = {
        "n_latents": 4,
        "architecture": {"name": "topk", "k": 2},
        "preprocess": ["standardise"],
        "source": {"name": "shards", "path": str(tmp_path / "shards"), "check": False},
        "train": {"hold_out": 0.5, "epochs": 0.01, "batch_size": 256},
    }
    run = train(Recipe.parse(asked), tmp_path / "run")
    assert run.summary is not None
    assert run.summary["measured_on"] == "65,536 of 70,000 held-out samples"
    training, measured = data_of(run)
    assert (len(training), len(measured)) == (70_000, 70_000), "up to 1,048,576"
