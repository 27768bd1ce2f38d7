"""Pictures moved by a few pixels."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from sparsight.core import Augmentation, Batch, Schema, generator
from sparsight.spec import register

_PURPOSE = 4


@register("augmentation", "shift")
class Shift(Augmentation):
    """Every picture is moved by −pixels ... pixels both ways, input and target alike; `fill` comes in at the edge.

    Args:
        pixels: None: a 28th of the shorter side, rounded; pictures for which that is 0 stay where they are.
        fill: the value of what comes in.
    """

    def __init__(self, *, pixels: Annotated[int, Field(ge=1)] | None = None, fill: float = 0.0) -> None:
        self.pixels, self.fill = pixels, fill

    def check(self, schema: Schema) -> str | None:
        if schema.shape is None:
            return "shift is left out: these samples are no pictures (declare a shape if they are)"
        if not self._reach(schema.shape):
            return f"shift is left out: pictures of {schema.shape[0]} x {schema.shape[1]} are too small to be moved"
        return None

    def _reach(self, shape: tuple[int, ...]) -> int:
        return round(min(shape[:2]) / 28) if self.pixels is None else self.pixels

    def __call__(self, raw: Tensor, batch: Batch, schema: Schema, seed: int) -> Tensor:
        assert schema.shape is not None
        height, width, *_ = schema.shape
        n = self._reach(schema.shape)
        pictures = raw.view(len(raw), height, width, -1)  # [B, H, W, C]
        padded = torch.nn.functional.pad(pictures, (0, 0, n, n, n, n), value=self.fill)
        dice = generator(seed, _PURPOSE, batch.step)
        moves = torch.randint(0, 2 * n + 1, (batch.size, 2), generator=dice)[batch.positions].to(raw.device)
        down = (moves[:, :1] + torch.arange(height, device=raw.device))[:, :, None]  # [B, H, 1]
        across = (moves[:, 1:] + torch.arange(width, device=raw.device))[:, None, :]  # [B, 1, W]
        flat = (down * (width + 2 * n) + across).flatten(1)  # [B, H * W]
        channels = pictures.shape[3]
        source = padded.flatten(1, 2)  # [B, H' * W', C]
        return source.gather(1, flat[:, :, None].expand(-1, -1, channels)).flatten(1)
