"""Where samples come from."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from typing import Any

import torch
from torch import Tensor

from sparsight.core.ahead import read_ahead
from sparsight.core.codes import Codes
from sparsight.core.records import Batch, Context, Example, Schema
from sparsight.core.sampling import orders, set_aside, set_groups_aside, spread
from sparsight.distributed import World
from sparsight.errors import SparsightError
from sparsight.spec import describe

AHEAD = 3
"""Batches that are read ahead."""
AHEAD_VALUES = 2**26
"""Numbers that they may hold; larger batches are read when they are needed, part by part."""
RUNS = 1_024
"""Places from which a glance is taken, with as many neighbours at each as it takes: a disk reads these at once."""


class Source(ABC):
    """Where samples come from. Sources stay raw; what is done to them is a `Preprocess`."""

    schema: Schema
    notes: tuple[str, ...] = ()
    """What was found on opening that the user should know, a sentence each."""
    stored = False
    """Samples are read from a disk or computed each time, and may be more than fit into memory: batches are read ahead,
    and what is measured is measured on a `glance`."""
    finite = False
    """It is known already that no sample holds NaN or infinity."""

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
            kept, held = set_groups_aside(groups, fraction, seed)
        return self.take(kept), self.take(held)

    def deal(self, size: int, seed: int, start: int) -> Iterator[Tensor]:
        """The samples of each batch from step `start` on, [size]: every sample once in each epoch, in a new order."""
        return orders(len(self), size, seed, start)

    def batches(self, size: int, seed: int, start: int = 0, world: World | None = None) -> Generator[Batch, None, None]:
        """Endless shuffled batches from step `start` on; the order is a function of (seed, step).

        Epochs follow each other without a gap, so every batch is full and every sample is seen once per epoch.
        Process r of a world has the rows r, r + world.size, ... of each. Batches of `stored` samples are read ahead,
        in a thread that ends when the generator is closed.
        """
        world = world or World()
        if size % world.size:
            raise SparsightError(f"a batch of {size} cannot be shared by {world.size} processes: take a multiple of it")
        positions = torch.arange(world.rank, size, world.size)
        dealt = (
            Batch(self, ids if world.size == 1 else ids[positions], positions, size, step)
            for step, ids in enumerate(self.deal(size, seed, start), start)
        )
        depth = min(AHEAD, AHEAD_VALUES // (len(positions) * self.schema.n_inputs)) if self.stored else 0
        return read_ahead(dealt, depth) if depth else dealt

    def glance(self, at_most: int = 65_536) -> "Source":
        """Samples that are enough to measure on: all, or up to `at_most` of those that are `stored`, evenly spread."""
        n, size = len(self), max(1, at_most // RUNS)
        if not self.stored or n <= at_most:
            return self
        starts = spread(n - size + 1, at_most // size)
        return self.take((starts[:, None] + torch.arange(size)).flatten().unique())

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
