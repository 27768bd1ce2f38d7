"""Rows from a folder of shards, which may be larger than memory."""

import hashlib
from typing import Any

import torch
from torch import Tensor

from sparsight.core import Schema, Source
from sparsight.core.records import Context
from sparsight.errors import SparsightError
from sparsight.shards.index import is_folder, open_folder
from sparsight.shards.reading import Shards
from sparsight.shards.reading import check as check_sums
from sparsight.shards.surroundings import Beside
from sparsight.sources._numbers import Numbers
from sparsight.sources._rows import Rows
from sparsight.spec import register

CHECKED = 2**30
"""Bytes up to which checksums are verified where nothing is said."""
MANY = 100_000
"""Labels up to which their numbers are their names."""


@register("source", "shards")
class FromShards(Rows):
    """Rows that a `ShardWriter` wrote, such as the activations of a model; read when they are asked for.

    float16, bfloat16 and uint8 become float32. Rows with the same number in the column `item` are of one document or
    picture and stay together when some are held out; labels are the column `label`.

    Args:
        path: the folder.
        check: compare every file with its checksum first; None: where all of them together have at most 1 GiB.

    Raises:
        SparsightError: the folder holds no shards, or some that do not belong together, are missing or damaged.
    """

    stored = True
    finite = True  # the writer refused all else

    def __init__(self, *, path: str, check: bool | None = None) -> None:
        self.path = path
        folder = open_folder(path)
        if check or (check is None and folder.size <= CHECKED):
            check_sums(folder)
        self.shards = Shards(folder)
        labels = self.shards.whole("label").long() if "label" in folder.columns else None
        classes = None if labels is None else _classes(folder.about, labels)
        width = folder.columns["x"].width
        assert width is not None
        self._hold(Stored(self.shards), Schema(n_inputs=width, classes=classes), labels=labels)
        if not folder.complete:
            behind = ", ".join(writer for writer, index in folder.indexes.items() if not index.complete)
            self.notes = (
                f"{path}: the writer {behind} has not come to its end, and the {len(self):,} rows that are complete "
                "are all that is used",
            )
        self._around = Beside(self.shards)
        self._numbers = Numbers(None)

    def _what(self) -> str:
        return self.path

    @classmethod
    def opens(cls, path: str) -> dict[str, str] | None:
        return {"path": path} if is_folder(path) else None

    def groups(self) -> Tensor | None:
        if "item" not in self.shards.folder.columns:
            return None
        items = self.shards.whole("item")
        return items if self.order is None else items[self.order]

    def context(self, id: int, reach: int = 12) -> Context | None:
        return self._numbers.context(self._around, id, reach)

    def words(self) -> tuple[Tensor, tuple[str, ...]] | None:
        return self._numbers.words(self._around)

    def take(self, ids: Tensor) -> Source:
        part = super().take(ids)
        assert isinstance(part, FromShards)
        part._numbers = Numbers(part.order)
        return part

    def _hash(self) -> str:
        """SHA-256 of the checksums of all files of `x`, and of which rows these are: nothing is read."""
        folder = self.shards.folder
        column = folder.columns["x"]
        hasher = hashlib.sha256(f"shards {column.type} {column.width}".encode())
        for part in folder.parts:
            hasher.update(f"{part.shard.rows} {part.shard.sha256['x']}".encode())
        if self.order is not None and not torch.equal(self.order, torch.arange(len(folder))):
            hasher.update(self.order.numpy().astype("<i8").tobytes())
        return hasher.hexdigest()


class Stored:
    """`x` of all shards, as `Rows` takes a base: rows are read when they are picked."""

    def __init__(self, shards: Shards) -> None:
        self.shards = shards
        self.shape = (len(shards), shards.folder.columns["x"].width)

    def __getitem__(self, ids: Any) -> Tensor:
        return self.shards.read("x", ids)


def _classes(about: dict[str, Any], labels: Tensor) -> tuple[str, ...] | None:
    """The names of the labels, where the index has them, or their numbers."""
    highest = int(labels.max()) if len(labels) else -1
    names = about.get("classes")
    if names is None:
        if highest >= MANY:
            raise SparsightError(
                f"labels go up to {highest}: give the index the names of the classes, fewer than {MANY}"
            )
        return tuple(str(n) for n in range(highest + 1)) or None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(names) <= highest:
        raise SparsightError(
            f"the index names {names!r} as classes, and labels go up to {highest}: give a text for each"
        )
    return tuple(names)
