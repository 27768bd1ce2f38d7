"""The step of the program that `question.py` shows, as a plain function, with its mistakes.

`sparsight diagnose --objective examples/objective.py:step` names them; nothing is trained.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

N_INPUTS, N_HIDDEN = 784, 200


def kl_divergence(p: float, p_hat: Tensor) -> Tensor:
    """As the program has it."""
    p_ = torch.tensor(p)
    return torch.mean(
        p_ * torch.log(p_) - p_ * torch.log(p_hat) + (1 - p_) * torch.log(1 - p_) - (1 - p_) * torch.log(1 - p_hat)
    )


def step(x: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
    """cost = ½ Σ_b,i (x̂ − x)² + 10 · mean_b,j KL(.1 ‖ h_bj), with noise of std .01 of the shape [784]."""
    scale, sparsity_level, sparse_reg = 0.01, 0.1, 10
    hidden = torch.sigmoid((x + scale * torch.randn(N_INPUTS)) @ parameters["w1"] + parameters["b1"])
    reconstruction = hidden @ parameters["w2"] + parameters["b2"]
    return 0.5 * torch.sum(torch.pow(reconstruction - x, 2.0)) + sparse_reg * kl_divergence(sparsity_level, hidden)
