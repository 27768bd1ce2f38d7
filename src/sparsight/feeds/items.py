"""Samples of a source, such as pictures."""

import copy
from collections.abc import Collection
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from sparsight.core import Source
from sparsight.errors import SparsightError
from sparsight.feeds._feed import Block, Feed
from sparsight.spec import build, register

Count = Annotated[int, Field(ge=1)]


@register("feed", "items")
class Items(Feed):
    """Samples of a source, such as pictures, `per_block` at a time.

    Rows with a shape go in as [n, channels, height, width], others as [n, D].

    Args:
        source: a source, its name, or its name and knobs: pixels in [0, 1], or any numbers.
        mean: subtracted from each channel.
        std: then divided by.
        per_block: samples that are computed together.
        limit: the first so many alone.
        host: the model; nothing needs to be known of it.

    Raises:
        SparsightError: mean or std are not one number, and not one for each channel.
    """

    def __init__(
        self,
        *,
        source: Any,
        mean: list[float] | None = None,
        std: list[float] | None = None,
        per_block: Count = 16,
        limit: Count | None = None,
        host: Any = None,
    ) -> None:
        given: Source = source if isinstance(source, Source) else build("source", source)
        self.source, self.per_block = given, per_block
        self.n = len(given) if limit is None else min(limit, len(given))
        self.shape = given.schema.shape
        self.kind = "items" if self.shape is None else "pictures"
        self.channels = 1 if self.shape is None or len(self.shape) == 2 else self.shape[2]
        self.mean, self.std = self._per_channel("mean", mean, 0.0), self._per_channel("std", std, 1.0)

    def _per_channel(self, name: str, given: list[float] | None, default: float) -> Tensor:
        numbers = given or [default]
        if len(numbers) not in (1, self.channels):
            raise SparsightError(f"{name} has {len(numbers)} numbers: give one for each of {self.channels} channels")
        found = torch.tensor(numbers)
        return found if self.shape is None else found[:, None, None]

    def __len__(self) -> int:
        return -(-self.n // self.per_block)

    def block(self, number: int) -> Block:
        ids = torch.arange(number * self.per_block, min((number + 1) * self.per_block, self.n))
        x = self.source.gather(ids)
        if self.shape is not None:
            x = x.unflatten(1, (*self.shape[:2], self.channels)).permute(0, 3, 1, 2).contiguous()
        columns = {"item": ids}
        labels = self.source.labels()
        if labels is not None:
            columns["label"] = labels[ids]
        return Block(args=((x - self.mean) / self.std,), columns=columns)

    def rows(self, cells: int) -> np.ndarray:
        found = np.full(len(self), self.per_block * cells)
        found[-1] = (self.n - (len(self) - 1) * self.per_block) * cells
        return found

    def only(self, items: Collection[int]) -> "Items":
        found = copy.copy(self)
        found.source, found.n = self.source.take(torch.tensor(sorted(set(items)))), len(set(items))
        return found

    def fingerprint(self) -> str:
        return f"{self.source.fingerprint()} {self.n} {self.per_block} {self.mean.tolist()} {self.std.tolist()}"

    def about(self) -> dict[str, Any]:
        classes = self.source.schema.classes
        return {"kind": self.kind, **({} if classes is None else {"classes": list(classes)})}

    def picture(self, item: int) -> np.ndarray | None:
        if self.shape is None or self.channels not in (1, 3):
            return None
        pixels = self.source.gather(torch.tensor([item]))[0].unflatten(0, (*self.shape[:2], self.channels))
        low, high = float(pixels.min()), float(pixels.max())
        if low < 0 or high > 1:  # no pixels, but they can be looked at
            pixels = (pixels - low) / max(high - low, 1e-12)
        return (pixels.expand(-1, -1, 3) * 255).round().to(torch.uint8).numpy()
