"""Codes that hardly change with the sample."""

from torch import Tensor

from sparsight.core import SAE, Facts, SampleTerm, Step
from sparsight.core.term import Part
from sparsight.errors import SparsightError
from sparsight.spec import register


@register("term", "contraction")
class Contraction(SampleTerm):
    """E_b[ ‖∂codes_b/∂x_b‖² ] = E_b[ Σ_j (h_bj (1 − h_bj))² ‖W_enc_j‖² ] for sigmoid codes h (Rifai et al. 2011).

    Raises:
        SparsightError: codes that are not those of a sigmoid.
    """

    needs: frozenset[Part] = frozenset({"codes", "weights"})
    moves = ("W_enc", "b_enc")

    def __init__(self, *, weight: float = 0.1, warmup: float = 0.0) -> None:
        super().__init__()
        self.weight, self.warmup = weight, warmup

    def check(self, sae: SAE, facts: Facts) -> None:
        if sae.activation.bounds != (0.0, 1.0):
            raise SparsightError(
                f"contraction needs sigmoid codes, and {sae.architecture['name']} has others: use contractive"
            )

    def per_sample(self, step: Step, sae: SAE) -> Tensor:
        slopes = step.codes.map(lambda h: (h * (1 - h)).square())
        return slopes.per_sample_sum(sae.W_enc.square().sum(1))
