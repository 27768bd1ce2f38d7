"""The size of the codes."""

from torch import Tensor

from sparsight.core import SAE, Gradients, SampleTerm, Step
from sparsight.core.parts import Part
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
    closed_form = True

    def __init__(self, *, weight: float = 1.0, warmup: float = 0.0) -> None:
        super().__init__()
        self.weight, self.warmup = weight, warmup

    def per_sample(self, step: Step, sae: SAE) -> Tensor:
        codes = step.codes if sae.activation.bounds[0] >= 0 else step.codes.map(Tensor.abs)
        return codes.per_sample_sum(sae.W_dec.norm(dim=1))

    def pull_back(self, step: Step, sae: SAE, factor: float) -> tuple[Tensor, Gradients]:
        codes, lengths = step.codes.map(Tensor.abs), sae.W_dec.norm(dim=1)
        mean = codes.per_feature_sum(step.weight) / len(codes)
        of_codes = step.codes.dense().sign().mul_(factor / len(codes) * lengths)
        if step.weight is not None:
            of_codes.mul_(step.weight[:, None])
        return mean @ lengths, {
            "codes": of_codes,
            "W_dec": sae.W_dec * (factor * mean / lengths.clamp_min(TINY))[:, None],
        }
