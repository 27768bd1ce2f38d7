"""One summand of the loss."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

from torch import Tensor, nn

from sparsight.core.network import Gradients
from sparsight.core.records import Facts, Step

if TYPE_CHECKING:
    from sparsight.core.sae import SAE

Part = Literal["recon", "logits", "codes", "pre", "chosen", "weights"]


class Term(nn.Module, ABC):
    """One summand of the loss: weight · value. It is a `SampleTerm` or a `StatisticTerm`, nothing else."""

    needs: frozenset[Part]
    """What of a `Step` it reads, and `weights` where it reads those of the SAE."""
    moves: tuple[str, ...]
    """The parameters that its gradient must reach, each of `W_enc`, `b_enc`, `W_dec`, `b_dec`."""
    weight: float
    warmup: float
    """The part of training over which the weight rises linearly from 0."""
    closed_form: bool = False
    """Whether `pull_back` gives the gradient, faster than autograd does."""
    sparsifies: ClassVar[bool] = False
    """Whether it is there to make codes sparse."""

    def check(self, sae: "SAE", facts: Facts) -> str | None:
        """Called once before training. A sentence says that the term has nothing to act on and is left out.

        Raises:
            SparsightError: the term would be wrong for this SAE or these data.
        """
        return None

    def now(self, progress: float) -> float:
        """The weight at this point of training, 0 to 1."""
        return self.weight * min(1.0, progress / self.warmup) if self.warmup else self.weight

    def silent(self, dead: Tensor | None) -> bool:
        """Whether value and gradient are 0 for certain, with these dead features."""
        return False

    def pull_back(self, step: Step, sae: "SAE", factor: float, gradients: Gradients) -> Tensor:
        """The reduced value; add `factor` times its gradient, by its closed form."""
        raise NotImplementedError


class SampleTerm(Term):
    """A mean over samples of a sum over inputs or features: E_b[ per_sample_b ]."""

    @abstractmethod
    def per_sample(self, step: Step, sae: "SAE") -> Tensor:
        """The value of each sample, [B]."""


class StatisticTerm(Term):
    """A function of a statistic that is a mean over samples, and of the weights: f(E_b[ s_b ], weights).

    The trainer averages the statistic over micro-batches and processes before f sees it, so the value and
    its gradient are those of the whole batch.
    """

    def statistic(self, step: Step, sae: "SAE") -> Tensor | None:
        """A mean over samples, any shape; None for a function of the weights alone."""
        return None

    def memory(self, batch_size: int) -> float:
        """The share of the past in a moving average of the statistic; 0: the batch is enough."""
        return 0.0

    @abstractmethod
    def value(self, statistic: Tensor | None, sae: "SAE") -> Tensor:
        """f, a scalar."""
