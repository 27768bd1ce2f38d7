"""Where this process stands among the others. On one process every reduction is the identity."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """One of `size` processes that train the same model, each on its share of every batch."""

    rank: int = 0
    size: int = 1

    @classmethod
    def current(cls) -> "World":
        """The world that torch.distributed was started with, or a world of one."""
        if dist.is_available() and dist.is_initialized():
            return cls(dist.get_rank(), dist.get_world_size())
        return cls()

    def sum_(self, tensor: Tensor) -> Tensor:
        """Sum over processes, in place."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def mean_(self, tensor: Tensor) -> Tensor:
        """Mean over processes, in place. Shares of a batch are equal, so it is the mean over the batch."""
        return self.sum_(tensor).div_(self.size) if self.size > 1 else tensor

    def concatenate(self, mine: Tensor) -> Tensor:
        """The rows of all processes, by rank. They may have different numbers of them."""
        if self.size == 1:
            return mine
        counts = [mine.new_empty(1, dtype=torch.long) for _ in range(self.size)]
        dist.all_gather(counts, mine.new_tensor([len(mine)], dtype=torch.long))
        most = max(int(n) for n in counts)
        padded = torch.cat([mine, mine.new_zeros(most - len(mine), *mine.shape[1:])])
        found = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(found, padded)
        return torch.cat([rows[: int(n)] for rows, n in zip(found, counts, strict=True)])

    def gather(self, mine: T) -> list[T]:
        """What every process has, by rank."""
        if self.size == 1:
            return [mine]
        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, mine)
        return found

    def mean_gradients_(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Average the gradients of all parameters in one message."""
        if self.size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = self.mean_(torch.cat([g.flatten() for g in gradients]))
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))
