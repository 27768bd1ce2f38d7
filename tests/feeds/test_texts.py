"""Texts as tokens: what is a sample, and where it came from."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import TEXTS
from tiny import llama as tiny_llama

from sparsight.errors import SparsightError
from sparsight.feeds import Feed
from sparsight.feeds.texts import vocabulary_of
from sparsight.models.host import Host, open_host
from sparsight.spec import build


def texts(host: Host, documents: Any = TEXTS, **knobs: Any) -> Feed:
    return build("feed", "texts", documents=documents, host=host, **{"context": 12, "per_block": 24, **knobs})


def samples(feed: Feed) -> dict[str, np.ndarray]:
    """The columns of all samples."""
    blocks = [feed.block(n).columns for n in range(len(feed))]
    return {name: torch.cat([block[name] for block in blocks]).numpy() for name in blocks[0]}


def rebuilt(feed: Feed, item: int) -> str:
    """The text of an item from its samples, by position."""
    found, words = samples(feed), feed.vocabulary()
    assert words is not None
    at = np.flatnonzero(found["item"] == item)
    at = at[found["position"][at].argsort()]
    return "".join(words[token] for token in found["token"][at])


def test_in_buckets_every_token_is_a_sample_once_and_special_ones_are_none(bert: Host) -> None:
    feed = texts(bert)
    names = feed.items()
    assert names is not None and len(names) == len(TEXTS)
    for item, text in enumerate(TEXTS):
        assert rebuilt(feed, item).strip() == text
    assert len(samples(feed)["item"]) == sum(len(text.split()) for text in TEXTS)


def test_padding_is_never_a_sample_and_never_seen(bert: Host) -> None:
    feed = texts(bert)
    padded = 0
    for number in range(len(feed)):
        block = feed.block(number)
        assert block.keep is not None
        mask = block.kwargs["attention_mask"].flatten()
        assert mask[block.keep].all()
        assert torch.equal(block.kwargs["input_ids"].flatten()[block.keep], block.columns["token"])
        padded += int((mask == 0).sum())
    assert 0 < padded < 12, "sequences of like length are together"


def test_special_tokens_are_samples_where_that_is_asked_for(bert: Host) -> None:
    words = bert.tokenizer.convert_ids_to_tokens(samples(texts(bert, special=True))["token"].tolist())
    assert words.count("[CLS]") == words.count("[SEP]") > len(TEXTS)
    assert not {"[CLS]", "[SEP]", "[PAD]"} & set(
        bert.tokenizer.convert_ids_to_tokens(samples(texts(bert))["token"].tolist())
    )


def test_packed_sequences_are_full_and_their_first_place_is_apart(llama: Host) -> None:
    feed, with_sinks = texts(llama), texts(llama, sinks=True)
    lengths = [int(feed.block(n).kwargs["attention_mask"].sum(1).min()) for n in range(len(feed))]
    assert sorted(lengths)[1:] == [12] * (len(lengths) - 1), "but for the last"
    for number in range(len(feed)):
        kept = feed.block(number).keep
        assert kept is not None and (kept % feed.block(number).kwargs["input_ids"].shape[1] != 0).all()
    total = sum(len(llama.tokenizer(text)["input_ids"]) for text in TEXTS)
    assert len(samples(with_sinks)["item"]) == total
    for item, text in enumerate(TEXTS):
        assert rebuilt(with_sinks, item) == text


def test_documents_in_a_packed_sequence_are_divided_by_the_end_of_text(llama: Host) -> None:
    feed = texts(llama, context=64)
    ids = torch.cat([feed.block(n).kwargs["input_ids"].flatten() for n in range(len(feed))])
    assert int((ids == llama.tokenizer.eos_token_id).sum()) == len(TEXTS) - 1
    assert llama.tokenizer.eos_token_id not in samples(feed)["token"]


@pytest.mark.parametrize("arrange", ["pack", "bucket"])
@pytest.mark.parametrize("special", [True, False])
def test_the_number_of_samples_is_known_without_a_block(bert: Host, llama: Host, arrange: str, special: bool) -> None:
    for host in (bert, llama):
        for sinks in (True, False):
            feed = texts(host, arrange=arrange, special=special, sinks=sinks)
            assert feed.rows(1).tolist() == [len(feed.block(n).columns["item"]) for n in range(len(feed))]


def test_long_documents_are_cut_and_positions_go_on(bert: Host) -> None:
    feed = texts(bert, [" ".join(TEXTS)], context=6)
    found = samples(feed)
    assert sorted(found["position"].tolist()) == list(range(len(" ".join(TEXTS).split())))
    assert max(feed.block(n).kwargs["input_ids"].shape[1] for n in range(len(feed))) == 6


def test_some_documents_are_chosen_at_random_until_there_are_tokens_enough(bert: Host) -> None:
    feed, again, other = texts(bert, tokens=20), texts(bert, tokens=20), texts(bert, tokens=20, seed=1)
    assert 20 <= len(samples(feed)["item"]) < 40
    assert feed.fingerprint() == again.fingerprint() != other.fingerprint()
    assert feed.items() != other.items()


def test_only_some_documents_are_fed_as_those_alone_would_be(llama: Host) -> None:
    some = texts(llama).only([4, 1])
    alone = texts(llama, [TEXTS[1], TEXTS[4]])
    assert some.fingerprint() == alone.fingerprint()
    assert some.items() == ["text 2", "text 5"]


def test_the_fingerprint_is_that_of_what_goes_in(llama: Host) -> None:
    base = texts(llama).fingerprint()
    assert texts(llama).fingerprint() == base
    changed = [
        texts(llama, [*TEXTS[:-1], TEXTS[-1] + " light"]),
        texts(llama, context=13),
        texts(llama, sinks=True),
        texts(llama, special=True),
        texts(llama, per_block=12),
        texts(llama, arrange="bucket"),
    ]
    assert len({base, *(feed.fingerprint() for feed in changed)}) == 7


@pytest.mark.parametrize(
    ("knobs", "sentence"),
    [
        ({"context": 65}, "context is 65, and .* reads 64 tokens at most"),
        ({"context": 2}, "leaves no room for text"),
        ({"documents": ["", "  "]}, "the texts are empty"),
        ({"documents": None}, "a path, or documents in memory"),
        ({"path": "x.txt"}, "a path, or documents in memory"),
    ],
)
def test_what_cannot_be_fed_is_one_sentence(bert: Host, knobs: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SparsightError, match=sentence):
        texts(bert, **knobs)


def test_a_model_without_a_tokenizer_reads_no_text(net: Host) -> None:
    with pytest.raises(SparsightError, match="has no tokenizer"):
        texts(net)


def of(host: Host, path: Path, **knobs: Any) -> list[str]:
    feed = build("feed", {"name": "texts", "path": str(path), **knobs}, host=host)
    return feed.items() or []


def test_files_and_folders_are_documents(tmp_path: Path, bert: Host) -> None:
    (tmp_path / "blank.txt").write_text("the light\nwas good\n\n\n\nthe night\n", encoding="utf-8")
    (tmp_path / "lines.txt").write_text("the light\nwas good\nthe night", encoding="utf-8")
    (tmp_path / "rows.jsonl").write_text('{"text": "the light"}\n\n{"text": "night", "n": 1}\n', encoding="utf-8")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "page.md").write_text("god saw the light", encoding="utf-8")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    assert of(bert, tmp_path / "blank.txt") == ["blank.txt 1", "blank.txt 3"]
    assert of(bert, tmp_path / "lines.txt") == ["lines.txt 1", "lines.txt 2", "lines.txt 3"]
    assert of(bert, tmp_path / "rows.jsonl") == ["rows.jsonl 1", "rows.jsonl 3"]
    assert of(bert, tmp_path / "below" / "page.md") == ["page.md"]
    assert of(bert, tmp_path) == ["below/page.md", "blank.txt", "lines.txt", "rows.jsonl 1", "rows.jsonl 3"]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("nothing.txt", None, "there is no text"),
        ("empty.txt", b" \n\n ", "holds no text"),
        ("latin.txt", "Grüße".encode("latin-1"), r"is no UTF-8 \(byte 2\)"),
        ("rows.jsonl", b'{"text": "light"}\n{"other": 1}', "line 2 of .* is no JSON object with the text 'text'"),
        ("rows.jsonl", b"[]", "line 1 of .* is no JSON object"),
    ],
)
def test_what_is_no_text_is_one_sentence(
    tmp_path: Path, bert: Host, name: str, content: bytes | None, sentence: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SparsightError, match=sentence):
        of(bert, tmp_path / name)


def test_a_vocabulary_of_bytes_may_hold_two_hashes(tmp_path: Path) -> None:
    tokenizer = open_host(str(tiny_llama(tmp_path / "llama"))).tokenizer
    tokenizer.add_tokens(["##"])
    assert " light" in vocabulary_of(tokenizer) and "##" in vocabulary_of(tokenizer)
