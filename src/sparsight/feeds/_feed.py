"""What goes into a model, block by block."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Block:
    """What is computed together, always the same, so that activations have the same bits each time.

    Attributes:
        args: of the model's forward pass.
        kwargs: likewise.
        keep: of a text: which places are samples, [n], counted through all sequences; None: all are.
        columns: what is known of each sample, [n] each: `item`, `position`, `token`; where `keep` is None, of each
            item alone, [items].
    """

    args: tuple[Tensor, ...] = ()
    kwargs: dict[str, Tensor] = field(default_factory=dict)
    keep: Tensor | None = None
    columns: dict[str, Tensor]


class Feed(ABC):
    """What goes into a model: a fixed number of blocks."""

    kind: str
    """`text`, `pictures` or `items`."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def block(self, number: int) -> Block: ...

    @abstractmethod
    def rows(self, cells: int) -> np.ndarray:
        """How many samples each block has, [blocks], where the layer gives `cells` rows for each item."""

    @abstractmethod
    def only(self, items: Collection[int]) -> "Feed":
        """Some of the items alone, such as documents that were held out; they are numbered anew."""

    @abstractmethod
    def fingerprint(self) -> str:
        """A hash of all that goes in."""

    def about(self) -> dict[str, Any]:
        """What is to be kept with activations, as JSON has it."""
        return {"kind": self.kind}

    def vocabulary(self) -> list[str] | None:
        """The text of each token's number, where it reads texts."""
        return None

    def items(self) -> list[str] | None:
        """The name of each item, where they have names."""
        return None

    def picture(self, item: int) -> np.ndarray | None:
        """What the model saw of an item, [height, width, 3] uint8; None: no picture."""
        return None
