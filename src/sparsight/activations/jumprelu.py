"""Rectified codes with a threshold that is learnt."""

from typing import Any, cast

import torch
from torch import Tensor, nn

from sparsight.core import SAE, Activation, Codes, Constraint, Sizes
from sparsight.kernels.selection import above
from sparsight.kernels.sparse import SPARSE_BELOW


class Heaviside(torch.autograd.Function):
    """1[pre > θ], with the gradient of its convolution with a rectangle: 1/ε where |pre − θ| < ε/2, else 0.

    Over any samples this is (f(θ + ε/2) − f(θ − ε/2)) / ε for f the number that fire, exactly.
    """

    @staticmethod
    def forward(ctx: Any, pre: Tensor, threshold: Tensor, bandwidth: Tensor) -> Tensor:
        ctx.save_for_backward(pre, threshold, bandwidth)
        return (pre > threshold).to(pre.dtype)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, Tensor, None]:
        (gradient,), (pre, threshold, bandwidth) = grad_outputs, ctx.saved_tensors
        of_pre = gradient * ((pre - threshold).abs() < bandwidth / 2) / bandwidth
        return of_pre, -of_pre, None


class JumpReLU(Activation):
    """codes = pre · 1[pre > θ], with a threshold θ_j ≥ 0 for each feature (Rajamanoharan et al. 2024).

    The step has the straight-through gradient of `Heaviside`, for θ and for pre alike, so that what moves a threshold
    up or down moves the bias down or up.

    θ and ε are multiples of `unit`, the standard deviation of the pre-activations where training starts, so they mean
    the same for data of any size. The parameter is θ / (unit √D): a step of Adam then moves θ about as far as it moves
    the pre-activations, to which each of the D weights of a filter adds. θ itself is `fires_above()`.

    Args:
        threshold: where θ starts, in units.
        bandwidth: ε, the width of the rectangle, in units.
    """

    selects = True
    unit: Tensor

    def __init__(self, *, threshold: float, bandwidth: float) -> None:
        super().__init__()
        self.start, self.bandwidth = threshold, bandwidth

    def setup(self, sizes: Sizes) -> None:
        self.reach = sizes.n_inputs**0.5
        self.threshold = nn.Parameter(torch.full((sizes.n_latents,), self.start / self.reach))
        self.register_buffer("unit", torch.ones(()))

    def begin(self, pre: Tensor) -> None:
        unit = pre.var(dim=0, correction=0).mean().sqrt()
        self.unit.copy_(torch.where(unit > 0, unit, 1.0))

    def fires_above(self) -> Tensor:
        return self.unit * self.reach * self.threshold

    def choose(self, pre: Tensor) -> Codes:
        width = self.bandwidth * self.unit if self.training else 0.0
        return above(pre, self.fires_above() - width / 2, most=SPARSE_BELOW)

    def fires(self, chosen: Codes) -> Codes:
        threshold = chosen.per_place(self.fires_above()).expand_as(chosen.values)
        return chosen.map(lambda pre: cast(Tensor, Heaviside.apply(pre, threshold, self.bandwidth * self.unit)))

    def at(self, chosen: Codes) -> Codes:
        fires = self.fires(chosen).values
        return chosen.map(lambda pre: pre * fires)

    def kinks(self, pre: Tensor) -> Tensor:
        return ((pre - self.fires_above()).abs() - self.bandwidth * self.unit / 2).relu()


class NonNegativeThresholds(Constraint):
    """θ ≥ 0 after every step, so that no code is negative."""

    @torch.no_grad()
    def after_step(self, sae: SAE) -> None:
        assert isinstance(sae.activation, JumpReLU)
        sae.activation.threshold.clamp_(min=0)
