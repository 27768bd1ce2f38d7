"""Where activations came from, while nothing is stored."""

from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from sparsight.models.reading import Reading
from sparsight.shards.surroundings import Surroundings


class Places(Surroundings):
    """What is known of every sample of a layer, read from the feed when it is first asked for."""

    def __init__(self, reading: Reading, layer: str) -> None:
        self.reading, self.layer = reading, layer

    @cached_property
    def _kind(self) -> str | None:
        feed, site = self.reading.feed, self.reading.sites[self.layer]
        if feed.kind == "text":
            return "text"
        return "pictures" if feed.kind == "pictures" and site.grid is not None and feed.picture(0) is not None else None

    @property
    def kind(self) -> str | None:
        return self._kind

    def __len__(self) -> int:
        return len(self._columns["item"])

    @cached_property
    def _columns(self) -> dict[str, Tensor]:
        blocks = [self.reading.columns(self.layer, number) for number in range(len(self.reading.feed))]
        return {name: torch.cat([block[name] for block in blocks]).long() for name in blocks[0]}

    def whole(self, name: str) -> Tensor | None:
        return self._columns.get(name)

    def column(self, name: str, rows: np.ndarray) -> list[int]:
        return self._columns[name][torch.from_numpy(rows)].tolist()

    @property
    def grid(self) -> tuple[int, int]:
        grid = self.reading.sites[self.layer].grid
        assert grid is not None
        return grid

    def words(self) -> list[str]:
        return self._vocabulary

    @cached_property
    def _vocabulary(self) -> list[str]:
        return self.reading.feed.vocabulary() or []

    @cached_property
    def _names(self) -> list[str]:
        return self.reading.feed.items() or []

    def token(self, number: int) -> str:
        return self._vocabulary[number]

    def name(self, item: int) -> str:
        return self._names[item] if 0 <= item < len(self._names) else f"item {item}"

    def picture(self, item: int) -> np.ndarray | None:
        return self.reading.feed.picture(item)
