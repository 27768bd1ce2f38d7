"""What keeps the weights where they must be."""

import torch

from sparsight.core import SAE, Constraint


class UnitRows(Constraint):
    """‖W_dec_j‖ = 1 for every feature, so that a code's size means the same in all of them.

    Before the step the part of the gradient along the row is taken out, since it would only rescale the row;
    after it the rows are normalised (Bricken et al. 2023).
    """

    @torch.no_grad()
    def before_step(self, sae: SAE) -> None:
        gradient = sae.W_dec.grad
        if gradient is not None:
            gradient.addcmul_(torch.linalg.vecdot(gradient, sae.W_dec)[:, None], sae.W_dec, value=-1)

    @torch.no_grad()
    def after_step(self, sae: SAE) -> None:
        sae.W_dec.div_(torch.linalg.vector_norm(sae.W_dec, dim=1, keepdim=True).clamp_min(1e-8))
