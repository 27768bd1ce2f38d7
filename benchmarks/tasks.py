"""What is trained: data, sizes and the objective that all systems share as far as they can."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from sparsight.core.sampling import orders
from sparsight.spec import build

LR = 1e-3
L1 = 0.1
WARMUP = 0.05
"""Where a peer's rule for the learning rate starts with a rise, over this share of a training that has an end;"""
DECAY = 0.4
"""and it falls linearly to 0 over this share, the last, unless the peer's rule says otherwise."""


@dataclass(frozen=True)
class Task:
    """½‖error‖² per sample, and L1 · Σ_j |codes_j| ‖W_dec_j‖ where `k` is None.

    Else the k largest codes of each sample are kept, or k times the batch's size of the whole batch.
    """

    name: str
    n_latents: int
    batch_size: int
    data: Tensor  # [N, D], float32
    k: int | None = None
    of_batch: bool = False
    lr: float | None = LR
    """The learning rate; None: what a system takes by itself."""
    epochs: float | None = None
    """None: training has no end, and the learning rate is constant."""

    @property
    def n_inputs(self) -> int:
        return self.data.shape[1]

    @property
    def steps(self) -> int | None:
        return None if self.epochs is None else math.ceil(self.epochs * len(self.data) / self.batch_size)

    def fall(self, step: int) -> float:
        """What the learning rate is multiplied with."""
        return 1.0 if self.steps is None else min(1.0, (1 - step / self.steps) / DECAY)

    def batches(self) -> Iterator[Tensor]:
        """Endless shuffled batches, [B, D]."""
        for ids in orders(len(self.data), self.batch_size, seed=0, start=0):
            yield self.data[ids]


def digits() -> Tensor:
    """The 10,000 digits of MNIST that ship with the package, [N, 784]."""
    source = build("source", "digits")
    return source.gather(torch.arange(len(source)))


def mixtures(n: int = 16_384, width: int = 768, n_atoms: int = 4_096, active: int = 32) -> Tensor:
    """Sums of a few random directions, as activations of a language model are thought to be, [n, width]."""
    dice = torch.Generator().manual_seed(0)
    atoms = torch.nn.functional.normalize(torch.randn(n_atoms, width, generator=dice), dim=1)
    chosen = torch.randint(n_atoms, (n, active), generator=dice)
    sizes = torch.rand(n, active, generator=dice)
    return torch.nn.functional.embedding_bag(chosen, atoms, per_sample_weights=sizes, mode="sum")


TASKS = {
    "relu-128": lambda: Task("relu-128", 200, 128, digits()),
    "relu-1024": lambda: Task("relu-1024", 200, 1_024, digits()),
    "topk-2048": lambda: Task("topk-2048", 4_096, 2_048, mixtures(), k=32),
    "batch-topk-2048": lambda: Task("batch-topk-2048", 4_096, 2_048, mixtures(), k=32, of_batch=True),
}
