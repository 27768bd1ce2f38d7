"""Activations of a model, computed when they are asked for."""

import copy
import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from sparsight.core import Context, Schema, Source
from sparsight.core.sampling import shuffled
from sparsight.errors import SparsightError
from sparsight.models.corpora import documents
from sparsight.models.feeds import Feed, Items
from sparsight.models.host import Host, open_host
from sparsight.models.reading import Channels, Reading
from sparsight.models.texts import Texts
from sparsight.spec import build, register

_ORDER, _POOL = 41, 42
Count = Annotated[int, Field(ge=1)]


@register("source", "activations")
class Activations(Source):
    """What layers of a model give for texts, pictures or other samples; nothing is stored.

    One sample is one token, or one place of a picture. Several layers are `sites` side by side, for a crosscoder.
    Blocks are computed whole and in the same way each time, so that samples have the same bits in every order. In
    training the blocks are shuffled, and the samples of some `pool` of them together.

    Args:
        model: the folder or name of a model of transformers, a `.gguf`, or `file.py:function`.
        module: in its place a module in memory. No recipe can hold it.
        tokenizer: of that module.
        at: a layer, as `module.named_modules()` has it, or several; with `:input` behind it, what goes into it.
        target: the layer that a transcoder predicts.
        text: a file or folder of texts; see `documents`.
        data: in its place a source of samples, such as pictures.
        documents: in their place texts in memory.
        context: tokens in a sequence.
        arrange: `pack` or `bucket`; see `Texts`.
        special: whether special tokens are samples.
        sinks: whether the first tokens of sequences are samples, where the model predicts the next token.
        tokens: random documents that hold so many tokens.
        mean: of the channels of pictures, subtracted.
        std: likewise, divided by.
        limit: the first so many items of `data`.
        channels: `first` or `last`, where a layer gives four dimensions.
        per_block: tokens (or, divided by 64, items) that are computed together.
        pool: samples that are mixed with each other, and held in memory.
        device: where the model runs.
        seed: of the choice of documents.

    Raises:
        SparsightError: no model or nothing to feed it with, or what `Reading` raises.
    """

    def __init__(
        self,
        *,
        model: str | None = None,
        module: Any = None,
        tokenizer: Any = None,
        at: str | list[str],
        target: str | None = None,
        text: str | None = None,
        data: Any = None,
        documents: Any = None,
        context: Count = 128,
        arrange: Literal["pack", "bucket"] | None = None,
        special: bool = False,
        sinks: bool = False,
        tokens: Count | None = None,
        mean: list[float] | None = None,
        std: list[float] | None = None,
        limit: Count | None = None,
        channels: Channels = "first",
        per_block: Count = 1024,
        pool: Count = 65_536,
        device: str = "cpu",
        seed: Annotated[int, Field(ge=0)] = 0,
    ) -> None:
        if (model is None) == (module is None):
            raise SparsightError("activations takes a model by its path, or a module in memory: give one of the two")
        host = open_host(model) if model is not None else build("model", "module", module=module, tokenizer=tokenizer)
        feed = feed_of(
            host.to(device),
            text=text,
            documents=documents,
            data=data,
            of_texts={
                "context": context,
                "arrange": arrange,
                "special": special,
                "sinks": sinks,
                "tokens": tokens,
                "per_block": per_block,
                "seed": seed,
            },
            of_items={"mean": mean, "std": std, "limit": limit, "per_block": max(1, per_block // 64)},
        )
        sites = [at] if isinstance(at, str) else at
        self.reading = Reading(host, feed, [*sites, *([target] if target else [])], channels=channels, special=special)
        self.at, self.target, self.pool = sites, target, pool
        counts = [self.reading.counts(name) for name in self.reading.at]
        if any((each != counts[0]).any() for each in counts):
            raise SparsightError(f"{', '.join(self.reading.at)} have different numbers of places: take one at a time")
        self.starts = np.concatenate([[0], counts[0].cumsum()])
        widths = {name: self.reading.sites[name].width for name in sites}
        classes = feed.about().get("classes")
        self.schema = Schema(
            n_inputs=sum(widths.values()),
            n_targets=None if target is None else self.reading.sites[target].width,
            sites=widths if len(sites) > 1 else None,
            classes=None if classes is None else tuple(classes),
        )
        self.order: Tensor | None = None
        self._held: OrderedDict[int, dict[str, Tensor]] = OrderedDict()
        self._places = _Places(self.reading)

    def __len__(self) -> int:
        return int(self.starts[-1]) if self.order is None else len(self.order)

    def _rows(self, ids: Tensor) -> np.ndarray:
        """Where samples are among all that the model gives."""
        return (ids if self.order is None else self.order[ids]).numpy()

    def _block(self, number: int) -> dict[str, Tensor]:
        if number not in self._held:
            self._held[number] = self.reading.rows(number)
            while len(self._held) > 1 and sum(len(next(iter(rows.values()))) for rows in self._held.values()) > 2 * self.pool:
                self._held.popitem(last=False)
        self._held.move_to_end(number)
        return self._held[number]

    def _gather(self, ids: Tensor, names: Sequence[str]) -> Tensor:
        rows = self._rows(ids)
        blocks = np.searchsorted(self.starts, rows, "right") - 1
        found = torch.empty(len(rows), sum(self.reading.sites[name].width for name in names))
        for number in np.unique(blocks):
            at = np.flatnonzero(blocks == number)
            inside = torch.from_numpy(rows[at] - self.starts[number])
            held = self._block(int(number))
            found[torch.from_numpy(at)] = torch.cat([held[name][inside] for name in names], dim=1)
        return found

    def gather(self, ids: Tensor) -> Tensor:
        return self._gather(ids, self.at)

    def targets(self, ids: Tensor) -> Tensor | None:
        return None if self.target is None else self._gather(ids, [self.target])

    def deal(self, size: int, seed: int, start: int) -> Iterator[Tensor]:
        """Epochs that follow each other; in each the blocks are shuffled, and then the samples of each pool."""
        rows = self._rows(torch.arange(len(self)))
        block = np.searchsorted(self.starts, rows, "right") - 1
        by_block = np.argsort(block, kind="stable")
        numbers, first = np.unique(block[by_block], return_index=True)
        samples = np.split(by_block, first[1:])
        at, left = start * size, np.empty(0, np.int64)
        while True:
            epoch, skipped = divmod(at, len(self))
            for pool in self._pools(samples, seed, epoch):
                if skipped >= len(pool):
                    skipped -= len(pool)
                    continue
                left, skipped = np.concatenate([left, pool[skipped:]]), 0
                while len(left) >= size:
                    yield torch.from_numpy(left[:size].copy())
                    left = left[size:]
            at = (epoch + 1) * len(self)

    def _pools(self, samples: list[np.ndarray], seed: int, epoch: int) -> Iterator[np.ndarray]:
        """The samples of one epoch, pool by pool, each shuffled."""
        gathered: list[np.ndarray] = []
        total, number = 0, 0
        order = shuffled(len(samples), seed, _ORDER, epoch)
        for place, block in enumerate(order):
            gathered.append(samples[block])
            total += len(samples[block])
            if total >= self.pool or place == len(order) - 1:
                together = np.concatenate(gathered)
                yield together[shuffled(len(together), seed, _POOL, epoch, number)]
                gathered, total, number = [], 0, number + 1

    def labels(self) -> Tensor | None:
        return self._places.column("label", self._rows(torch.arange(len(self))))

    def groups(self) -> Tensor | None:
        return self._places.column("item", self._rows(torch.arange(len(self))))

    def take(self, ids: Tensor) -> Source:
        part = copy.copy(self)
        part.order = ids if self.order is None else self.order[ids]
        return part

    def fingerprint(self) -> str:
        """SHA-256 of the model, of what is fed to it, of the layers, and of which samples these are."""
        hasher = hashlib.sha256(f"{self.reading.fingerprint()} {self.at} {self.target}".encode())
        hasher.update(self._rows(torch.arange(len(self))).astype("<i8").tobytes())
        return hasher.hexdigest()

    def context(self, id: int, reach: int = 12) -> Context | None:
        raise NotImplementedError


class _Places:
    """What is known of every sample, read from the feed when it is first asked for."""

    def __init__(self, reading: Reading) -> None:
        self.reading, self._columns = reading, None

    def column(self, name: str, rows: np.ndarray) -> Tensor | None:
        if self._columns is None:
            blocks = [self.reading.columns(self.reading.at[0], n) for n in range(len(self.reading.feed))]
            self._columns = {key: torch.cat([block[key] for block in blocks]) for key in blocks[0]}
        found = self._columns.get(name)
        return None if found is None else found[torch.from_numpy(rows)].long()


def feed_of(
    host: Host,
    *,
    text: str | None = None,
    documents: Any = None,
    data: Any = None,
    of_texts: dict[str, Any],
    of_items: dict[str, Any],
) -> Feed:
    raise NotImplementedError
