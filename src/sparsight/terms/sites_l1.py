"""The size of the codes of a crosscoder."""

import torch
from torch import Tensor

from sparsight.core import SAE, SampleTerm, Step
from sparsight.core.term import Part
from sparsight.spec import register


@register("term", "sites_l1")
class SitesL1(SampleTerm):
    """E_b[ Σ_j |codes_bj| Σ_s ‖W_dec_j^s‖ ], with W_dec_j^s the part of row j at site s (Lindsey et al. 2024).

    A sum of norms over sites, and not the norm of the whole row: a feature pays for each site alone, so one that is of
    use at a single site has rows of 0 elsewhere. With one site it is `codes_l1`.
    """

    needs: frozenset[Part] = frozenset({"codes", "weights"})
    moves = ("W_enc", "b_enc", "W_dec")
    sparsifies = True

    def __init__(self, *, weight: float = 0.1, warmup: float = 0.0) -> None:
        super().__init__()
        self.weight, self.warmup = weight, warmup

    def per_sample(self, step: Step, sae: SAE) -> Tensor:
        norms = [torch.linalg.vector_norm(rows, dim=1) for rows in sae.schema.at_sites(sae.W_dec).values()]
        return step.codes.map(Tensor.abs).per_sample_sum(torch.stack(norms).sum(0))
