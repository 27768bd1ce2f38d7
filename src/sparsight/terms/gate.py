"""What teaches a gate when to open."""

from torch import Tensor

from sparsight.core import SAE, Facts, SampleTerm, Step
from sparsight.core.term import Part
from sparsight.errors import SparsightError
from sparsight.spec import register


@register("term", "gate_l1")
class GateL1(SampleTerm):
    """E_b[ Σ_j max(pre_bj, 0) ‖W_dec_j‖ ]: on the gate alone, so that codes are not shrunk.

    (Rajamanoharan et al. 2024; the length of the row as in `codes_l1`.)
    """

    needs: frozenset[Part] = frozenset({"pre", "weights"})
    moves = ("W_enc", "b_enc")
    sparsifies = True

    def __init__(self, *, weight: float = 1.0, warmup: float = 0.0) -> None:
        super().__init__()
        self.weight, self.warmup = weight, warmup

    def per_sample(self, step: Step, sae: SAE) -> Tensor:
        assert step.pre is not None
        return step.pre.relu() @ sae.W_dec.norm(dim=1)


@register("term", "gate_error")
class GateError(SampleTerm):
    """E_b[ ½ ‖target_b − b_dec − Σ_j max(pre_bj, 0) W_dec_j‖² ] with the decoder held still: an open gate must explain.

    Of `b_dec` it sees only what a centred encoder subtracts (Rajamanoharan et al. 2024).

    Raises:
        SparsightError: an output other than the identity, where rows do not add up to the reconstruction.
    """

    needs: frozenset[Part] = frozenset({"pre", "weights"})
    moves = ("W_enc", "b_enc")

    def __init__(self, *, weight: float = 1.0, warmup: float = 0.0) -> None:
        super().__init__()
        self.weight, self.warmup = weight, warmup

    def check(self, sae: SAE, facts: Facts) -> None:
        if sae.output != "identity":
            raise SparsightError(f"gate_error needs output = 'identity', and it is {sae.output!r}")

    def per_sample(self, step: Step, sae: SAE) -> Tensor:
        assert step.pre is not None
        recon = step.pre.relu() @ sae.W_dec.detach() + sae.b_dec.detach()
        return 0.5 * (recon - step.target).square().sum(1)
