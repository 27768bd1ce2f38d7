"""The Kullback-Leibler divergence from a target mean activity, and the mistake that is often made in its place."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from sparsight.core import SAE, Facts, SampleTerm, StatisticTerm, Step
from sparsight.core.term import Part
from sparsight.errors import SparsightError
from sparsight.spec import register

Target = Annotated[float, Field(gt=0, lt=1)]
EPS = 1e-6


def divergence(target: float, q: Tensor) -> Tensor:
    """KL(target ‖ q) of two coins, elementwise.

    q is held EPS away from 0 and 1, where the logarithm would overflow; its gradient still passes, bounded by
    1 / EPS, so that a feature that is stuck there is pushed back.
    """
    q = q + (q.clamp(EPS, 1 - EPS) - q).detach()
    rest = 1 - target
    return target * (target / q).log() + rest * (rest / (1 - q)).log()


def check_bounds(name: str, sae: SAE) -> None:
    """Refuse codes that are no probabilities."""
    low, high = sae.activation.bounds
    if low < 0 or high > 1:
        raise SparsightError(
            f"{name} needs codes between 0 and 1, and those of {sae.architecture['name']} go from {low:g} to {high:g}: "
            "use sigmoid_kl, or codes_l1 in its place"
        )


@register("term", "kl")
class KL(StatisticTerm):
    """Σ_j KL(target ‖ q_j) with q_j = E_b[ codes_bj ]: the mean is taken over samples (Ng 2011, UFLDL).

    q is a statistic of the whole batch. Where the batch is small for the target (below 10 / target samples), a
    moving average over about that many samples serves.

    Raises:
        SparsightError: codes that can leave [0, 1].
    """

    needs: frozenset[Part] = frozenset({"codes"})
    moves = ("W_enc", "b_enc")
    sparsifies = True

    def __init__(self, *, weight: float = 3.0, target: Target = 0.1, warmup: float = 0.0) -> None:
        super().__init__()
        self.weight, self.target, self.warmup = weight, target, warmup

    def check(self, sae: SAE, facts: Facts) -> None:
        check_bounds("kl", sae)

    def memory(self, batch_size: int) -> float:
        return max(0.0, 1 - batch_size * self.target / 10)

    def statistic(self, step: Step, sae: SAE) -> Tensor:
        return step.mean_codes()

    def value(self, statistic: Tensor | None, sae: SAE) -> Tensor:
        assert statistic is not None
        return divergence(self.target, statistic).sum()


@register("term", "kl_per_activation")
class KLPerActivation(SampleTerm):
    """E_b[ Σ_j KL(target ‖ codes_bj) ]: the mistake, kept to show it.

    The divergence is taken of every activation, not of each feature's mean. Its optimum is codes = target in
    every sample, so it punishes the very selectivity that a sparsity term is there to make.
    """

    needs: frozenset[Part] = frozenset({"codes"})
    moves = ("W_enc", "b_enc")
    sparsifies = True

    def __init__(self, *, weight: float = 3.0, target: Target = 0.1, warmup: float = 0.0) -> None:
        super().__init__()
        self.weight, self.target, self.warmup = weight, target, warmup

    def check(self, sae: SAE, facts: Facts) -> None:
        check_bounds("kl_per_activation", sae)

    def per_sample(self, step: Step, sae: SAE) -> Tensor:
        return divergence(self.target, step.codes.dense()).sum(1)
