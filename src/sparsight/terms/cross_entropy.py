"""Cross-entropies, computed from logits so that they cannot overflow."""

from torch import Tensor
from torch.nn import functional

from sparsight.core import SAE, Facts, SampleTerm, Step
from sparsight.core.term import Part
from sparsight.errors import SparsightError
from sparsight.spec import register


@register("term", "binary_cross_entropy")
class BinaryCrossEntropy(SampleTerm):
    """E_b[ −Σ_i t_i log r_i + (1 − t_i) log(1 − r_i) ] with r = sigmoid(logits): each input a coin of its own.

    Raises:
        SparsightError: targets outside [0, 1], or an output that is not the sigmoid.
    """

    needs: frozenset[Part] = frozenset({"logits"})
    moves = ("W_enc", "b_enc", "W_dec", "b_dec")

    def __init__(self, *, weight: float = 1.0, warmup: float = 0.0) -> None:
        super().__init__()
        self.weight, self.warmup = weight, warmup

    def check(self, sae: SAE, facts: Facts) -> None:
        if sae.output != "sigmoid":
            raise SparsightError(f"binary_cross_entropy needs output = 'sigmoid', and it is {sae.output!r}")
        if facts.low < 0 or facts.high > 1:
            raise SparsightError(
                f"binary_cross_entropy needs data in [0, 1], and they go from {facts.low:.4g} to {facts.high:.4g}: "
                "scale them, or use squared_error"
            )

    def per_sample(self, step: Step, sae: SAE) -> Tensor:
        return functional.binary_cross_entropy_with_logits(step.logits, step.target, reduction="none").sum(1)


@register("term", "softmax_cross_entropy")
class SoftmaxCrossEntropy(SampleTerm):
    """E_b[ −Σ_i t_i log r_i ] with r = softmax(logits), for rows that are distributions over the inputs.

    Pictures are none: their pixels do not compete. There `binary_cross_entropy` or `squared_error` is right.

    Raises:
        SparsightError: rows that are no distributions, or an output that is not the softmax.
    """

    needs: frozenset[Part] = frozenset({"logits"})
    moves = ("W_enc", "b_enc", "W_dec", "b_dec")

    def __init__(self, *, weight: float = 1.0, warmup: float = 0.0) -> None:
        super().__init__()
        self.weight, self.warmup = weight, warmup

    def check(self, sae: SAE, facts: Facts) -> None:
        if sae.output != "softmax":
            raise SparsightError(f"softmax_cross_entropy needs output = 'softmax', and it is {sae.output!r}")
        if facts.low < 0 or facts.row_sum_error > 1e-3:
            raise SparsightError(
                "softmax_cross_entropy needs rows that are distributions (not negative, sum 1), and a sum here is off "
                f"by {facts.row_sum_error:.3g}: for pictures use binary_cross_entropy or squared_error"
            )

    def per_sample(self, step: Step, sae: SAE) -> Tensor:
        return -(step.target * step.logits.log_softmax(1)).sum(1)
