"""Rectified codes behind a gate."""

import torch
from torch import Tensor, nn

from sparsight.core import Activation, Codes, Sizes


class Gated(Activation):
    """codes = 1[pre > 0] · max(exp(r) pre + b, 0): pre opens the gate, r_j and b_j make the magnitude of it.

    Gate and magnitude have the same filter, of another length and bias: that is W_mag_j = exp(r_j) W_gate_j
    (Rajamanoharan et al. 2024), with b_j = b_mag_j − exp(r_j) b_gate_j. What moves the gate itself are terms on pre.
    """

    def setup(self, sizes: Sizes) -> None:
        self.r = nn.Parameter(torch.zeros(sizes.n_latents))
        self.b = nn.Parameter(torch.zeros(sizes.n_latents))

    def biases(self) -> list[nn.Parameter]:
        return [self.b]

    def forward(self, pre: Tensor) -> Codes:
        return Codes((self.r.exp() * pre + self.b).relu() * (pre > 0), pre.shape[1])

    def fires_above(self) -> Tensor:
        return (-self.b * (-self.r).exp()).relu()

    def kinks(self, pre: Tensor) -> Tensor:
        return torch.minimum(pre.abs(), (self.r.exp() * pre + self.b).abs())
