"""A transcoder's start: filters from inputs, rows by regression of the targets on the first codes."""

import torch
from torch import Tensor
from torch.nn import functional

from sparsight.core import SAE, Facts, Initialisation, Sampler, generator
from sparsight.spec import register

_PURPOSE = 5
AT_LEAST, CODES = 1_000, 2**27
"""Samples that the start is made from, where there are so many; and codes that are in memory at once, at most."""
RIDGE = 0.1
"""λ per mean square of a feature's codes."""


@register("initialisation", "pairs")
class Pairs(Initialisation):
    """W_enc at inputs less their mean, W_dec by ridge regression of the targets on the codes that these give.

    W_dec = (CᵀC + λ)⁻¹ Cᵀ (targets − mean); b_dec is at the targets' mean, and b_enc makes up for that of the inputs.
    Decoder rows then get length 1 and encoder filters the length that rows had, which changes no reconstruction where
    the same features fire. Features that do not fire, and those for which there is no different sample, have random
    directions.
    """

    def __init__(self) -> None:
        super().__init__()

    @torch.no_grad()
    def __call__(self, sae: SAE, sample: Sampler, facts: Facts, seed: int) -> None:
        features, dice = sae.n_latents, generator(seed, _PURPOSE)
        inputs, targets = sample.pairs(max(AT_LEAST, min(4 * features, CODES // features)))
        mean = inputs.mean(0)
        found = (inputs - mean)[:features].unique(dim=0)
        found = found[found.norm(dim=1) > 1e-6 * (inputs - mean).norm(dim=1).mean()]
        filters, rows = (torch.randn(weight.shape, generator=dice) for weight in (sae.W_enc, sae.W_dec))
        filters[: len(found)] = found
        sae.W_enc.copy_(functional.normalize(filters, dim=1))
        sae.W_dec.copy_(functional.normalize(rows, dim=1))
        sae.b_dec.copy_(facts.mean)
        sae.b_enc.zero_()
        sae.b_enc.copy_(-sae.pre(mean[None])[0])
        fitted = regression(sae.encode(inputs).dense(), targets - sae.b_dec)
        lengths = fitted.norm(dim=1, keepdim=True)
        fires = lengths > 0
        sae.W_dec.copy_(torch.where(fires, functional.normalize(fitted, dim=1), sae.W_dec))
        if sae.W_enc is not sae.W_dec:
            lengths = torch.where(fires, lengths, 1.0)
            sae.W_enc.mul_(lengths)
            sae.b_enc.mul_(lengths[:, 0])


def regression(codes: Tensor, targets: Tensor) -> Tensor:
    """(CᵀC + λ)⁻¹ Cᵀ targets, [F, D_out], by the smaller of CᵀC and CCᵀ; λ is a tenth of the mean of diag CᵀC."""
    ridge = RIDGE * codes.square().sum() / codes.shape[1]
    if not ridge:
        return codes.T @ targets
    if codes.shape[1] > len(codes):
        return codes.T @ torch.linalg.solve(_lifted(codes @ codes.T, ridge), targets)
    return torch.linalg.solve(_lifted(codes.T @ codes, ridge), codes.T @ targets)


def _lifted(gram: Tensor, ridge: Tensor) -> Tensor:
    return gram + ridge * torch.eye(len(gram), dtype=gram.dtype)
