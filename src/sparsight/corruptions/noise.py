"""Noise on what the encoder sees."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from sparsight.core import Batch, Corruption, generator
from sparsight.spec import register

Share = Annotated[float, Field(ge=0, le=1)]
_PURPOSE = 3


def draw(kind: str, x: Tensor, batch: Batch, seed: int) -> Tensor:
    """A random number for every input of every sample, normal or uniform.

    They are drawn for the whole batch, so that a sample's do not depend on how the batch is shared out.
    """
    dice = generator(seed, _PURPOSE, batch.step)
    make = torch.randn if kind == "normal" else torch.rand
    everything = make(batch.size, x.shape[1], generator=dice, dtype=torch.float32)
    return everything[batch.positions].to(x)


@register("corruption", "gaussian")
class Gaussian(Corruption):
    """x + std · N(0, 1), a fresh number for every input of every sample; std is in the units of the model."""

    def __init__(self, *, std: Annotated[float, Field(ge=0)] = 0.3) -> None:
        self.std = std

    def __call__(self, x: Tensor, batch: Batch, seed: int) -> Tensor:
        return x + self.std * draw("normal", x, batch, seed)


@register("corruption", "masking")
class Masking(Corruption):
    """A share of the inputs, drawn anew for every sample, is set to 0 (Vincent et al. 2008). Nothing is rescaled."""

    def __init__(self, *, share: Share = 0.25) -> None:
        self.share = share

    def __call__(self, x: Tensor, batch: Batch, seed: int) -> Tensor:
        return x * (draw("uniform", x, batch, seed) >= self.share)


@register("corruption", "salt_and_pepper")
class SaltAndPepper(Corruption):
    """A share of the inputs, drawn anew for every sample, becomes `low` or `high`, half and half."""

    def __init__(self, *, share: Share = 0.1, low: float = 0.0, high: float = 1.0) -> None:
        self.share, self.low, self.high = share, low, high

    def __call__(self, x: Tensor, batch: Batch, seed: int) -> Tensor:
        u = draw("uniform", x, batch, seed)
        x = torch.where(u < self.share / 2, self.low, x)
        return torch.where(u > 1 - self.share / 2, self.high, x)
