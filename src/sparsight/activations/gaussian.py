"""Codes that are drawn."""

import torch
from torch import Tensor

from sparsight.core import Activation, Batch, Codes, Sizes, generator

_PURPOSE = 9


class Gaussian(Activation):
    """codes = mean + exp(½ log variance) · N(0, 1) in training, codes = mean else (Kingma & Welling 2014).

    pre is [B, 2 F]: the means, then the log-variances. The numbers are drawn for the whole batch as a function of
    (seed, step), so that a sample's do not depend on how the batch is shared out.
    """

    bounds = (-float("inf"), float("inf"))
    homogeneous = False

    def setup(self, sizes: Sizes) -> None:
        self.n_latents = sizes.n_latents
        self._noise: Tensor | None = None  # [B, F]

    def advance(self, progress: float, batch: Batch, seed: int) -> None:
        dice = generator(seed, _PURPOSE, batch.step)
        self._noise = torch.randn(batch.size, self.n_latents, generator=dice, dtype=torch.float32)[batch.positions]

    def forward(self, pre: Tensor) -> Codes:
        mean, log_variance = pre.chunk(2, dim=1)
        noise, self._noise = self._noise, None  # for one pass, so that none is left over for other samples
        if self.training and noise is not None:
            mean = mean + (0.5 * log_variance).exp() * noise.to(mean)
        return Codes(mean, self.n_latents)

    def kinks(self, pre: Tensor) -> Tensor:
        return torch.full_like(pre, torch.inf)
