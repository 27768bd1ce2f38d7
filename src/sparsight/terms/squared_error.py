"""The squared error of the reconstruction."""

from typing import Any, cast

import torch
from torch import Tensor

from sparsight.core import SAE, Facts, Gradients, SampleTerm, Step
from sparsight.core.term import Part
from sparsight.spec import register


class HalfSquares(torch.autograd.Function):
    """½ ‖recon_b − target_b‖², [B], with the difference as its gradient, where autograd's takes several passes more."""

    @staticmethod
    def forward(ctx: Any, recon: Tensor, target: Tensor) -> Tensor:
        ctx.save_for_backward(recon, target)
        return (recon - target).norm(dim=1).square_().mul_(0.5)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, Tensor | None]:
        (gradient,), (recon, target) = grad_outputs, ctx.saved_tensors
        of_recon = (recon - target).mul_(gradient[:, None])
        return of_recon, -of_recon if ctx.needs_input_grad[1] else None


def half_squares(recon: Tensor, target: Tensor) -> Tensor:
    """½ ‖recon_b − target_b‖², [B]."""
    return cast(Tensor, HalfSquares.apply(recon, target))


@register("term", "squared_error")
class SquaredError(SampleTerm):
    """E_b[ ½ ‖recon_b − target_b‖² ]: summed over the inputs, not averaged."""

    needs: frozenset[Part] = frozenset({"recon"})
    moves = ("W_enc", "b_enc", "W_dec", "b_dec")

    def __init__(self, *, weight: float = 1.0, warmup: float = 0.0) -> None:
        super().__init__()
        self.weight, self.warmup = weight, warmup

    def check(self, sae: SAE, facts: Facts) -> None:
        self.closed_form = sae.output == "identity"

    def per_sample(self, step: Step, sae: SAE) -> Tensor:
        return half_squares(step.recon, step.target)

    def pull_back(self, step: Step, sae: SAE, factor: float, gradients: Gradients) -> Tensor:
        error = step.recon - step.target
        if step.weight is None:
            flat = error.flatten()
            value = (flat @ flat).mul_(0.5 / len(error))
            gradients.add("logits", error.mul_(factor / len(error)))
        else:
            value = step.mean(error.square().sum(1)).mul_(0.5)
            gradients.add("logits", error.mul_((factor / len(error) * step.weight)[:, None]))
        return value
