"""What streaming meters have in common: each sees samples, and two of them add up."""

import copy
from typing import Protocol, Self, TypeVar

import torch
from torch import Tensor

from sparsight.core import Codes
from sparsight.distributed import World
from sparsight.errors import SparsightError
from sparsight.meters.moments import precise


class Meter(Protocol):
    """Samples go in by `update`, in parts of any size; the figures do not depend on how they were shared out."""

    def merge(self, other: Self) -> None:
        """Add what another has seen."""
        ...

    def result(self) -> dict[str, float]:
        """All figures by name, in float64; `null.NAME` is what chance gives."""
        ...


M = TypeVar("M", bound=Meter)


def over_processes(meter: M) -> M:
    """What the meters of all processes have seen together, the same on each of them."""
    first, *others = World.current().gather(meter)
    total = copy.deepcopy(first)
    for other in others:
        total.merge(other)
    return total


class Sums:
    """The part of a meter that is sums over samples, kept as float64 tensors by name."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}

    def add(self, **found: Tensor) -> None:
        """Add to each sum.

        Raises:
            SparsightError: something of another size was measured before.
        """
        for name, value in found.items():
            before = self.sums.get(name)
            if before is not None and before.shape != value.shape:
                raise SparsightError(
                    f"{name} of the shape {tuple(before.shape)} was measured before, and this has "
                    f"{tuple(value.shape)}: measure one model with one meter"
                )
            value = precise(value).cpu()
            self.sums[name] = value if before is None else before + value

    def merge(self, other: Self) -> None:
        """Add what another has seen."""
        self.add(**other.sums)

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.sums:
            raise SparsightError("nothing was measured: give the meter at least one sample")
        return self.sums[name]


def fires(codes: Codes, features: Tensor) -> Tensor:
    """Where some features fire, [B, m], as 0 and 1 in float64; −1 stands for a feature that never does."""
    features = features.to(codes.values.device)
    return precise((codes.dense()[:, features.clamp(min=0)] != 0) & (features >= 0)).cpu()


def ones(codes: Codes, weight: Tensor | None) -> Tensor:
    """The weight of each sample, [B], in float64."""
    return torch.ones(len(codes), dtype=torch.float64) if weight is None else precise(weight).cpu()
