"""The size of the codes."""

import torch
from torch import Tensor

from sparsight.core import SAE, Codes, Gradients, SampleTerm, Step
from sparsight.core.term import Part
from sparsight.spec import register

TINY = 1e-30
"""The length of a row of zeros, whose gradient is 0."""


@register("term", "codes_l1")
class CodesL1(SampleTerm):
    """E_b[ Σ_j |codes_bj| ‖W_dec_j‖ ]: blind to a feature's code shrinking while its decoder row grows.

    (Conerly et al., Anthropic, April 2024.)
    """

    needs: frozenset[Part] = frozenset({"codes", "weights"})
    moves = ("W_enc", "b_enc")
    sparsifies = True
    closed_form = True

    def __init__(self, *, weight: float = 1.0, warmup: float = 0.0) -> None:
        super().__init__()
        self.weight, self.warmup = weight, warmup

    def per_sample(self, step: Step, sae: SAE) -> Tensor:
        return self._sizes(step, sae).per_sample_sum(sae.W_dec.norm(dim=1))

    def pull_back(self, step: Step, sae: SAE, factor: float, gradients: Gradients) -> Tensor:
        rows = sae.W_dec
        sizes, lengths = self._sizes(step, sae), torch.linalg.vector_norm(rows, dim=1)
        total = sizes.per_feature_sum(step.weight)
        factor, n = factor / len(sizes), len(sizes)
        of_codes = factor * lengths  # of those above 0; behind a rectifier the others do not count
        if sizes is not step.codes:
            of_codes = step.codes.dense().sign() * of_codes
        if step.weight is not None:
            of_codes = of_codes * step.weight[:, None]
        gradients.add("codes", of_codes)
        gradients.add("W_dec", rows * (total / lengths.clamp_min(TINY)).mul_(factor)[:, None])
        return (total @ lengths).div_(n)

    @staticmethod
    def _sizes(step: Step, sae: SAE) -> Codes:
        """|codes|; what cannot be negative is not copied."""
        return step.codes if sae.activation.bounds[0] >= 0 else step.codes.map(Tensor.abs)
