"""Samples that are parts of something: tokens of texts, and cells of pictures."""

import copy
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sparsight.core import Context, Schema, Source, generator
from sparsight.shards import ShardWriter

KINDS = {
    "animal": (" fox", " dog", " cat"),
    "colour": (" brown", " white", " black"),
    "deed": (" jumps", " runs", " sleeps"),
    "small": (" the", " a", "\n", "ing"),
}
"""Words by their class."""
HOSTILE = "</script><img src=x onerror=alert(1)>"
ODD = (HOSTILE, "\u202eevil", " " + "long" * 40, "\t", "سلام")
"""Tokens that pages must survive."""
VOCABULARY = (*(word for words in KINDS.values() for word in words), *ODD)
WIDTH, GRID, CELL = 16, (3, 4), 8


class Texts(Source):
    """Tokens of documents: each is the direction of its class, a little of its own, and noise."""

    def __init__(self, documents: int = 40, length: int = 50, seed: int = 0) -> None:
        dice = generator(seed, 1)
        kinds = [*(kind for kind, words in enumerate(KINDS.values()) for _ in words), *(4 for _ in ODD)]
        self.token = torch.randint(len(VOCABULARY), (documents * length,), generator=dice)
        self.kind = torch.tensor(kinds)[self.token]
        self.item = torch.arange(documents).repeat_interleave(length)
        own = torch.randn(len(VOCABULARY), WIDTH, generator=dice)
        noise = torch.randn(len(self.token), WIDTH, generator=dice)
        self.rows = 3 * torch.eye(WIDTH)[self.kind] + 0.5 * own[self.token] + 0.1 * noise
        self.schema = Schema(n_inputs=WIDTH)
        self.order = torch.arange(len(self.token))

    def __len__(self) -> int:
        return len(self.order)

    def gather(self, ids: Tensor) -> Tensor:
        return self.rows[self.order[ids]]

    def take(self, ids: Tensor) -> "Texts":
        part = copy.copy(self)
        part.order = self.order[ids]
        return part

    def fingerprint(self) -> str:
        return hashlib.sha256(self.gather(torch.arange(len(self))).numpy().tobytes()).hexdigest()

    def groups(self) -> Tensor:
        return self.item[self.order]

    def words(self) -> tuple[Tensor, tuple[str, ...]]:
        return self.token[self.order], VOCABULARY

    def context(self, id: int, reach: int = 12) -> Context:
        at = int(self.order[id])
        whole = (self.item == self.item[at]).nonzero().squeeze(1)
        near = whole[(whole - at).abs() <= reach]
        place = {number: n for n, number in enumerate(self.order.tolist())}
        return Context(
            ids=tuple(place.get(n, -1) for n in near.tolist()),
            here=int((near == at).nonzero()),
            tokens=tuple(VOCABULARY[n] for n in self.token[near].tolist()),
            origin=f"document {int(self.item[at])}, token {at - int(whole[0])}",
        )


class Cells(Source):
    """Cells of pictures: a red square lies in one of them, and that cell has a direction of its own."""

    def __init__(self, pictures: int = 30, seed: int = 0) -> None:
        dice = generator(seed, 2)
        self.cells = GRID[0] * GRID[1]
        self.square = torch.randint(self.cells, (pictures,), generator=dice)
        self.rows = torch.rand(pictures * self.cells, WIDTH, generator=dice) * 0.2
        self.rows[torch.arange(pictures) * self.cells + self.square, 0] += 3
        self.schema = Schema(n_inputs=WIDTH)

    def __len__(self) -> int:
        return len(self.rows)

    def gather(self, ids: Tensor) -> Tensor:
        return self.rows[ids]

    def take(self, ids: Tensor) -> Source:
        raise NotImplementedError

    def fingerprint(self) -> str:
        return hashlib.sha256(self.rows.numpy().tobytes()).hexdigest()

    def groups(self) -> Tensor:
        return torch.arange(len(self)) // self.cells

    def context(self, id: int, reach: int = 12) -> Context:
        which = id // self.cells
        picture = np.full((GRID[0] * CELL, GRID[1] * CELL, 3), (40, 90, 60), np.uint8)
        row, column = divmod(int(self.square[which]), GRID[1])
        picture[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL] = (220, 40, 30)
        ids = tuple(range(which * self.cells, (which + 1) * self.cells))
        return Context(ids=ids, here=id % self.cells, picture=picture, grid=GRID, origin=f"picture-{which}.png")


def write_texts(folder: Path, texts: Texts) -> Path:
    """Shards of them."""
    about = {"kind": "text"}
    columns = {"x": ("float32", WIDTH), "item": "int32", "position": "int32", "token": "int32"}
    with ShardWriter(folder, columns, about=about) as writer:
        position = torch.arange(len(texts)) % int((texts.item == 0).sum())
        writer.append(x=texts.rows, item=texts.item, position=position, token=texts.token)
        writer.mark(None)
    (folder / "vocabulary.json").write_text(json.dumps(VOCABULARY))
    (folder / "items.json").write_text(json.dumps([f"document {n}" for n in range(1 + int(texts.item.max()))]))
    return folder


def write_cells(folder: Path, cells: Cells) -> Path:
    """Shards of them."""
    columns = {"x": ("float32", WIDTH), "item": "int32", "position": "int32"}
    with ShardWriter(folder, columns, about={"kind": "pictures", "grid": list(GRID)}) as writer:
        writer.append(x=cells.rows, item=cells.groups(), position=torch.arange(len(cells)) % cells.cells)
        writer.mark(None)
    pictures = [cells.context(n).picture for n in range(0, len(cells), cells.cells)]
    np.save(folder / "pictures.npy", np.stack([picture for picture in pictures if picture is not None]))
    (folder / "items.json").write_text(json.dumps([f"picture-{n}.png" for n in range(len(pictures))]))
    return folder


def words_of(texts: Texts, ids: Sequence[int]) -> list[str]:
    """The words of some samples."""
    return [VOCABULARY[n] for n in texts.words()[0][torch.tensor(ids)].tolist()]
