"""Where samples come from."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from sparsight.core.codes import Codes
from sparsight.core.records import Batch, Context, Example, Schema
from sparsight.core.sampling import orders, set_aside
from sparsight.distributed import World
from sparsight.errors import SparsightError
from sparsight.spec import describe


class Source(ABC):
    """Where samples come from. Sources stay raw; what is done to them is a `Preprocess`."""

    schema: Schema
    notes: tuple[str, ...] = ()
    """What was found on opening that the user should know, a sentence each."""

    @classmethod
    def opens(cls, path: str) -> dict[str, Any] | None:
        """The knobs with which this source reads a path (or a name), or None where it cannot."""
        return None

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def gather(self, ids: Tensor) -> Tensor:
        """The raw inputs of some samples, [n, D], float32."""

    def targets(self, ids: Tensor) -> Tensor | None:
        """The raw targets of some samples, [n, D_out], float32; None: they are the inputs."""
        return None

    def weights(self) -> Tensor | None:
        """A weight for every sample, [N], with a mean of 1; None: all are 1."""
        return None

    def labels(self) -> Tensor | None:
        """An index into `schema.classes` for every sample, −1 where it has none, [N]; None: there are no labels."""
        return None

    def groups(self) -> Tensor | None:
        """Which samples stay together when some are set aside, such as the tokens of a document: a number for each,
        [N]; None: each stands for itself."""
        return None

    def context(self, id: int, reach: int = 12) -> Context | None:
        """What a sample is a part of, as far as `reach` tokens to both sides; None: it is a whole."""
        return None

    def words(self) -> tuple[Tensor, tuple[str, ...]] | None:
        """The word of every sample as a number, [N], −1 where it has none, and the texts of the numbers; None: samples
        are no words."""
        return None

    @abstractmethod
    def take(self, ids: Tensor) -> "Source":
        """The source of these samples alone, in this order."""

    @abstractmethod
    def fingerprint(self) -> str:
        """A hash of the data."""

    def test_part(self) -> "Source | None":
        """The samples that the data set itself sets aside for testing; None: it does not."""
        return None

    def truth(self) -> Tensor | None:
        """The directions that samples are made of, [A, D], where they are known; `codes` then says of how much."""
        return None

    def codes(self, ids: Tensor) -> Codes:
        """How much of each true direction is in some samples, [n, A].

        Raises:
            SparsightError: nobody knows what the samples are made of.
        """
        raise SparsightError(f"what the samples of {describe(self)['name']} are made of is not known")

    def split(self, fraction: float, seed: int) -> tuple["Source", "Source | None"]:
        """Set a random fraction of the samples aside, or of their groups: (the rest, what was set aside or None)."""
        if not fraction:
            return self, None
        groups = self.groups()
        if groups is None:
            kept, held = set_aside(len(self), fraction, seed)
        else:
            found, group = groups.unique(return_inverse=True)
            aside = torch.zeros(len(found), dtype=torch.bool)
            aside[set_aside(len(found), fraction, seed, "groups of samples")[1]] = True
            kept, held = (chosen.nonzero().squeeze(1) for chosen in (~aside[group], aside[group]))
        return self.take(kept), self.take(held)

    def deal(self, size: int, seed: int, start: int) -> Iterator[Tensor]:
        """The samples of each batch from step `start` on, [size]: every sample once in each epoch, in a new order."""
        return orders(len(self), size, seed, start)

    def batches(self, size: int, seed: int, start: int = 0, world: World | None = None) -> Iterator[Batch]:
        """Endless shuffled batches from step `start` on; the order is a function of (seed, step).

        Epochs follow each other without a gap, so every batch is full and every sample is seen once per epoch.
        Process r of a world has the rows r, r + world.size, ... of each.
        """
        world = world or World()
        if size % world.size:
            raise SparsightError(f"a batch of {size} cannot be shared by {world.size} processes: take a multiple of it")
        positions = torch.arange(world.rank, size, world.size)
        for step, ids in enumerate(self.deal(size, seed, start), start):
            yield Batch(self, ids if world.size == 1 else ids[positions], positions, size, step)

    def chunks(self, size: int = 1024) -> Iterator[Batch]:
        """One pass over all samples in order, the last chunk as small as it comes: for meters, never for training."""
        for ids in torch.arange(len(self)).split(size):
            yield Batch(self, ids, torch.arange(len(ids)), len(ids))

    def show(self, id: int) -> Example:
        """One sample as people look at it."""
        labels, classes = self.labels(), self.schema.classes
        label = -1 if labels is None else int(labels[id])
        return Example(
            id=id,
            values=self.gather(torch.tensor([id]))[0].numpy(),
            shape=self.schema.shape,
            label=None if label < 0 or classes is None else classes[label],
            names=self.schema.names,
        )
