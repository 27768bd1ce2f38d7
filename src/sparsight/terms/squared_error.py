"""The squared error of the reconstruction."""

from torch import Tensor

from sparsight.core import SAE, SampleTerm, Step
from sparsight.core.parts import Part
from sparsight.spec import register


@register("term", "squared_error")
class SquaredError(SampleTerm):
    """E_b[ ½ ‖recon_b − target_b‖² ]: summed over the inputs, not averaged."""

    needs: frozenset[Part] = frozenset({"recon"})
    moves = ("W_enc", "b_enc", "W_dec", "b_dec")

    def __init__(self, *, weight: float = 1.0, warmup: float = 0.0) -> None:
        super().__init__()
        self.weight, self.warmup = weight, warmup

    def per_sample(self, step: Step, sae: SAE) -> Tensor:
        return 0.5 * (step.recon - step.target).square().sum(1)
