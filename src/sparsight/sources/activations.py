"""Activations of a model, computed when they are asked for."""

import copy
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from sparsight.core import Context, Schema, Source
from sparsight.core.sampling import shuffled
from sparsight.errors import SparsightError
from sparsight.models.host import open_host
from sparsight.models.places import Places
from sparsight.models.reading import Channels, Reading
from sparsight.sources._numbers import Numbers
from sparsight.spec import build, register

_ORDER, _POOL = 41, 42
Count = Annotated[int, Field(ge=1)]


@register("source", "activations")
class Activations(Source):
    """What layers of a model give for texts, pictures or other samples, computed when it is asked for.

    One sample is one token, or one place of a picture. Several layers are `sites` side by side, for a crosscoder.
    Blocks are computed whole and in the same way each time, so that samples have the same bits in every order. In
    training the blocks are shuffled, and then the samples of each `pool` of them.

    Args:
        model: the folder or name of a model of transformers, a `.gguf`, `file.py:function`, or a module in memory.
        at: a layer, as `module.named_modules()` has it, or several; with `:input` behind it, what goes into it.
        target: the layer that a transcoder predicts.
        feed: what goes in, a name and its knobs: `texts` or `items`.
        channels: where D is in four dimensions, `first` or `last`.
        special: keep a first row that lies on no grid, as the class token of a vision transformer.
        pool: samples that are mixed with each other, and held in memory.
        device: where the model runs.

    Raises:
        SparsightError: there is no such model, layer or text, or the model fails on what is fed to it.
    """

    stored = True
    finite = True

    def __init__(
        self,
        *,
        model: Any,
        at: str | list[str],
        target: str | None = None,
        feed: Any,
        channels: Channels = "first",
        special: bool = False,
        pool: Count = 65_536,
        device: str = "cpu",
    ) -> None:
        host = open_host(model).to(device)
        self.at, self.target, self.pool = [at] if isinstance(at, str) else at, target, pool
        layers = [*self.at, *([] if target is None else [target])]
        self.reading = Reading(host, build("feed", feed, host=host), layers, channels=channels, special=special)
        counts = [self.reading.counts(name) for name in layers]
        if any((each != counts[0]).any() for each in counts):
            raise SparsightError(f"{', '.join(layers)} have different numbers of places: take one at a time")
        self.starts = np.concatenate([[0], counts[0].cumsum()])
        widths = {name: self.reading.sites[name].width for name in self.at}
        classes = self.reading.feed.about().get("classes")
        self.schema = Schema(
            n_inputs=sum(widths.values()),
            n_targets=None if target is None else self.reading.sites[target].width,
            sites=widths if len(widths) > 1 else None,
            classes=None if classes is None else tuple(classes),
        )
        self._places = Places(self.reading, self.at[0])
        self._held: OrderedDict[int, dict[str, Tensor]] = OrderedDict()
        self._lock = threading.Lock()
        self._numbers = Numbers(None)

    def __len__(self) -> int:
        return int(self.starts[-1]) if self._numbers.order is None else len(self._numbers.order)

    @property
    def _rows(self) -> Tensor:
        """Where all samples are among all that the model gives, [N]."""
        return torch.arange(len(self)) if self._numbers.order is None else self._numbers.order

    def _block(self, number: int) -> dict[str, Tensor]:
        with self._lock:  # batches are read ahead while held-out samples are looked at
            if number not in self._held:
                self._held[number] = self._finite(number)
                sizes = [int(self.starts[n + 1] - self.starts[n]) for n in self._held]
                while len(sizes) > 1 and sum(sizes) > 2 * self.pool:
                    self._held.popitem(last=False)
                    sizes.pop(0)
            self._held.move_to_end(number)
            return self._held[number]

    def _finite(self, number: int) -> dict[str, Tensor]:
        rows = self.reading.rows(number)
        for name, found in rows.items():
            bad = (~found.isfinite().all(1)).nonzero().squeeze(1)
            if len(bad):
                raise SparsightError(
                    f"the layer {name!r} gives NaN or infinity for {len(bad)} of the {len(found)} samples of block "
                    f"{number} (the first is sample {int(self.starts[number]) + int(bad[0])}): run it in float32, or "
                    "find out where they come from"
                )
        return rows

    def _gathered(self, ids: Tensor, names: Sequence[str]) -> Tensor:
        rows = self._rows[ids].numpy()
        blocks = np.searchsorted(self.starts, rows, "right") - 1
        found = torch.empty(len(rows), sum(self.reading.sites[name].width for name in names))
        for number in np.unique(blocks).tolist():
            at = np.flatnonzero(blocks == number)
            inside = torch.from_numpy(rows[at] - self.starts[number])
            held = self._block(number)
            found[torch.from_numpy(at)] = torch.cat([held[name][inside] for name in names], dim=1)
        return found

    def gather(self, ids: Tensor) -> Tensor:
        return self._gathered(ids, self.at)

    def targets(self, ids: Tensor) -> Tensor | None:
        return None if self.target is None else self._gathered(ids, [self.target])

    def deal(self, size: int, seed: int, start: int) -> Iterator[Tensor]:
        block = np.searchsorted(self.starts, self._rows.numpy(), "right") - 1
        by_block = np.argsort(block, kind="stable")
        samples = np.split(by_block, np.flatnonzero(np.diff(block[by_block])) + 1)
        epoch, skipped = divmod(start * size, len(self))
        left = np.empty(0, np.int64)
        while True:
            for pool in self._pools(samples, seed, epoch):
                left, skipped = np.concatenate([left, pool[skipped:]]), max(0, skipped - len(pool))
                while len(left) >= size:
                    yield torch.from_numpy(left[:size].copy())
                    left = left[size:]
            epoch += 1

    def _pools(self, samples: list[np.ndarray], seed: int, epoch: int) -> Iterator[np.ndarray]:
        """The samples of one epoch, pool by pool, each shuffled."""
        order = [samples[n] for n in shuffled(len(samples), seed, _ORDER, epoch)]
        filled = np.cumsum([len(block) for block in order]) // self.pool
        for number in np.unique(filled).tolist():
            pool = np.concatenate([block for block, place in zip(order, filled, strict=True) if place == number])
            yield pool[shuffled(len(pool), seed, _POOL, epoch, number)]

    def labels(self) -> Tensor | None:
        found = self._places.whole("label")
        return None if found is None else found[self._rows]

    def groups(self) -> Tensor | None:
        found = self._places.whole("item")
        return None if found is None else found[self._rows]

    def context(self, id: int, reach: int = 12) -> Context | None:
        return self._numbers.context(self._places, id, reach)

    def words(self) -> tuple[Tensor, tuple[str, ...]] | None:
        return self._numbers.words(self._places)

    def take(self, ids: Tensor) -> Source:
        part = copy.copy(self)
        part._numbers = Numbers(self._rows[ids])
        return part

    def fingerprint(self) -> str:
        """SHA-256 of the model, of what is fed to it, of the layers, and of which samples these are."""
        hasher = hashlib.sha256(f"{self.reading.fingerprint()} {self.at} {self.target}".encode())
        hasher.update(self._rows.numpy().astype("<i8").tobytes())
        return hasher.hexdigest()
