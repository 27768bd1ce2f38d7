"""Texts as tokens, packed or in buckets."""

import copy
import hashlib
from collections.abc import Collection, Sequence
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field

from sparsight.core.sampling import shuffled
from sparsight.errors import SparsightError
from sparsight.feeds._corpora import documents as read_documents
from sparsight.feeds._feed import Block, Feed
from sparsight.spec import register

_CHOICE, _ORDER = 31, 32
Count = Annotated[int, Field(ge=1)]
CONTEXT = 128
"""Tokens in a sequence, where nothing is said."""
TOKENISED = 512
"""Documents that are given to the tokenizer at once."""
NO_ITEM = -1
"""The item of tokens that belong to no document."""


@register("feed", "texts")
class Texts(Feed):
    """Documents as sequences of at most `context` tokens.

    `pack`: documents follow each other, divided by the model's end of text, and sequences are full: no padding, and
    a token may see the end of the document before its own, as in the training of language models. `bucket`: a sequence
    is of one document; those of like length are computed together, with little padding, which is never a sample.

    Args:
        path: a file or a folder of texts. A folder: each `.txt`, `.md` and `.py` in it and below is a document. A
            `.jsonl`: each line, of which `field` is the text. A `.txt`: what blank lines divide; where there are
            none, each line. Any other file is one document.
        documents: in its place texts in memory. No recipe can hold them.
        field: of the lines of a `.jsonl`.
        context: tokens in a sequence, with special ones; None: 128, or what the model reads at most.
        arrange: None: `pack` for models that predict the next token, else `bucket`.
        special: whether tokens that the tokenizer adds, such as [CLS], are samples.
        sinks: whether the first place of a sequence is a sample, where the model predicts the next token: attention
            that has nowhere to go goes there, and its activations are like no others.
        tokens: random documents that hold at least so many tokens together; None: all.
        per_block: tokens that are computed together.
        seed: of the choice of documents and of the order of blocks.
        host: the model that reads.

    Raises:
        SparsightError: the model has no tokenizer, the context is too short or too long, or no token is left.
    """

    kind = "text"

    def __init__(
        self,
        *,
        path: str | None = None,
        documents: Any = None,
        field: str = "text",
        context: Count | None = None,
        arrange: Literal["pack", "bucket"] | None = None,
        special: bool = False,
        sinks: bool = False,
        tokens: Count | None = None,
        per_block: Count = 1024,
        seed: Annotated[int, Field(ge=0)] = 0,
        host: Any,
    ) -> None:
        if (path is None) == (documents is None):
            raise SparsightError("texts takes a path, or documents in memory: give one of the two")
        if host.tokenizer is None:
            raise SparsightError(f"{host.name} has no tokenizer: it reads no text")
        context = min(CONTEXT, host.n_context or CONTEXT) if context is None else context
        if host.n_context is not None and context > host.n_context:
            raise SparsightError(f"context is {context}, and {host.name} reads {host.n_context} tokens at most")
        self.host, self.special, self.context = host, special, context
        self.drop_first = host.causal and not sinks
        self.arrange = arrange or ("pack" if host.causal else "bucket")
        self._prefix, self._suffix = _added(host.tokenizer)
        self._pad = _first(host.tokenizer, "pad_token_id", "eos_token_id")
        room = context - len(self._prefix) - (len(self._suffix) if self.arrange == "bucket" else 0)
        if room < 1 + self.drop_first:
            raise SparsightError(f"context is {context}, which leaves no room for text: give more")
        read = _in_memory(documents) if path is None else read_documents(path, field)
        names, texts = zip(*read, strict=True)
        self._names, self._ids = _tokenised(host.tokenizer, names, texts, tokens, seed)
        self._room, self._per_block, self._seed = room, per_block, seed
        self._arrange()

    def _arrange(self) -> None:
        """Documents into sequences, and those into blocks."""
        self._sequences = self._packed(self._ids) if self.arrange == "pack" else _cut(self._ids, self._room)
        self._blocks = self._dealt(self._per_block, self._seed)
        samples = np.array([self._samples(sequence) for sequence in self._sequences])
        self._rows = np.array([samples[block].sum() for block in self._blocks])
        if not self._rows.sum():
            raise SparsightError("the texts hold no token that could be a sample: give more text")

    def only(self, items: Collection[int]) -> "Texts":
        found = copy.copy(self)
        kept = sorted(set(items))
        found._names, found._ids = [self._names[n] for n in kept], [self._ids[n] for n in kept]
        found._arrange()
        return found

    def _packed(self, ids: list[np.ndarray]) -> list[np.ndarray]:
        """Sequences as [3, n]: token, item, position."""
        end = _first(self.host.tokenizer, "eos_token_id", "sep_token_id", "pad_token_id")
        border = np.array([[end], [NO_ITEM], [NO_ITEM]], np.int32)
        parts = [part for number, tokens in enumerate(ids) for part in (_placed(tokens, number, 0), border)]
        stream = np.concatenate(parts[:-1], axis=1)
        return [stream[:, at : at + self._room] for at in range(0, stream.shape[1], self._room)]

    def _dealt(self, per_block: int, seed: int) -> list[np.ndarray]:
        """The sequences of each block; of like length, where they are padded."""
        lengths = np.array([sequence.shape[1] for sequence in self._sequences])
        order = np.argsort(-lengths, kind="stable")
        blocks, at = [], 0
        while at < len(order):
            longest = int(lengths[order[at]]) + len(self._prefix) + len(self._suffix)
            n = max(1, per_block // longest)
            blocks.append(np.sort(order[at : at + n]))
            at += n
        return [blocks[n] for n in shuffled(len(blocks), seed, _ORDER)]

    def _samples(self, sequence: np.ndarray) -> int:
        """How many places of a sequence are samples."""
        if self.special:
            more = 0 if self.arrange == "pack" else len(self._suffix)
            return sequence.shape[1] + len(self._prefix) + more - self.drop_first
        first_counts = self.drop_first and not self._prefix and sequence[1, 0] != NO_ITEM
        return int((sequence[1] != NO_ITEM).sum()) - first_counts

    def __len__(self) -> int:
        return len(self._blocks)

    def block(self, number: int) -> Block:
        sequences = [self._whole(self._sequences[n]) for n in self._blocks[number]]
        longest = max(sequence.shape[1] for sequence in sequences)
        table = np.full((3, len(sequences), longest), NO_ITEM)
        mask = np.zeros((len(sequences), longest), np.int64)
        for row, sequence in enumerate(sequences):
            table[:, row, : sequence.shape[1]] = sequence
            mask[row, : sequence.shape[1]] = 1
        tokens, items, positions = table
        keep = (mask == 1) if self.special else (items != NO_ITEM) & (positions != NO_ITEM)
        if self.drop_first:
            keep[:, 0] = False
        at = torch.from_numpy(np.flatnonzero(keep))
        columns = {"item": items, "position": positions, "token": tokens}
        return Block(
            kwargs={
                "input_ids": torch.from_numpy(np.where(mask == 1, tokens, self._pad)),
                "attention_mask": torch.from_numpy(mask),
            },
            keep=at,
            columns={name: torch.from_numpy(column.ravel()[at.numpy()].copy()) for name, column in columns.items()},
        )

    def _whole(self, sequence: np.ndarray) -> np.ndarray:
        """With what the tokenizer puts before and behind; of the document, but at no position in it."""
        item = sequence[1, 0]
        before = np.array([[token, item, NO_ITEM] for token in self._prefix]).reshape(-1, 3).T
        after = [] if self.arrange == "pack" else self._suffix
        behind = np.array([[token, item, NO_ITEM] for token in after]).reshape(-1, 3).T
        return np.concatenate([before, sequence, behind], axis=1).astype(np.int64)

    def rows(self, cells: int) -> np.ndarray:
        return self._rows

    def fingerprint(self) -> str:
        hasher = hashlib.sha256(f"{self.arrange} {self.special} {self.drop_first} {len(self)}".encode())
        for number in range(len(self)):
            for sequence in self._blocks[number]:
                hasher.update(self._whole(self._sequences[sequence]).tobytes())
        return hasher.hexdigest()

    def about(self) -> dict[str, Any]:
        return {"kind": self.kind, "arrange": self.arrange, "context": self.context}

    def vocabulary(self) -> list[str]:
        return vocabulary_of(self.host.tokenizer)

    def items(self) -> list[str]:
        return self._names


def _in_memory(documents: Sequence[str]) -> list[tuple[str, str]]:
    found = [(f"text {number}", text) for number, text in enumerate(documents, 1) if text.strip()]
    if not found:
        raise SparsightError("the texts are empty: give some")
    return found


def vocabulary_of(tokenizer: Any) -> list[str]:
    """The text of each token as it stands in a text, with the space before it."""
    pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    pieces = ["" if piece is None else piece for piece in pieces]
    special = set(tokenizer.all_special_tokens)
    # a vocabulary of bytes has a piece "##", too, as it stands in Markdown, and one of words may have the letter Ġ
    if sum(piece.startswith("##") for piece in pieces) > sum(piece.startswith("Ġ") for piece in pieces):
        return [p if p in special else p[2:] if p.startswith("##") else f" {p}" for p in pieces]
    if any(piece.startswith("▁") for piece in pieces):
        return [piece.replace("▁", " ") for piece in pieces]
    return [tokenizer.decode([number]) for number in range(len(pieces))]


def _added(tokenizer: Any) -> tuple[list[int], list[int]]:
    """What the tokenizer puts before and behind a text."""
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    full = tokenizer("a")["input_ids"]
    at = next((n for n in range(len(full)) if full[n : n + len(bare)] == bare), 0)
    return full[:at], full[at + len(bare) :]


def _first(tokenizer: Any, *names: str) -> int:
    """The first of some special tokens that the tokenizer has; 0 where it has none."""
    found = (getattr(tokenizer, name, None) for name in names)
    return next((int(number) for number in found if number is not None), 0)


def _tokenised(
    tokenizer: Any, names: Sequence[str], texts: Sequence[str], tokens: int | None, seed: int
) -> tuple[list[str], list[np.ndarray]]:
    """Documents with at least one token, in their order; or at random until there are as many as are asked for."""
    order = np.arange(len(texts)) if tokens is None else shuffled(len(texts), seed, _CHOICE)
    kept_names, kept, total = [], [], 0
    for start in range(0, len(order), TOKENISED):
        chosen = order[start : start + TOKENISED]
        found = tokenizer([texts[n] for n in chosen], add_special_tokens=False, verbose=False)["input_ids"]
        for number, ids in zip(chosen, found, strict=True):
            if not ids:
                continue
            if tokens is not None and total >= tokens:
                return kept_names, kept
            kept_names.append(names[number])
            kept.append(np.array(ids))
            total += len(ids)
    if not kept:
        raise SparsightError("the tokenizer finds no token in these texts: give others")
    return kept_names, kept


def _placed(tokens: np.ndarray, item: int, start: int) -> np.ndarray:
    n = len(tokens)
    return np.stack([tokens, np.full(n, item), np.arange(start, start + n)]).astype(np.int32)


def _cut(ids: list[np.ndarray], room: int) -> list[np.ndarray]:
    """Each document in pieces of at most `room` tokens, as [3, n]: token, item, position."""
    return [
        _placed(tokens[at : at + room], number, at)
        for number, tokens in enumerate(ids)
        for at in range(0, len(tokens), room)
    ]
