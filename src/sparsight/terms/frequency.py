"""The price of features that are always on."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from sparsight.core import SAE, StatisticTerm, Step
from sparsight.core.term import Part
from sparsight.spec import register

TINY = 1e-30


@register("term", "frequency")
class Frequency(StatisticTerm):
    """Σ_j max(q_j / bound − 1, 0)² with the smooth rate q_j = E_b[ |codes_bj| ]² / E_b[ codes²_bj ].

    q is the activity ratio of Treves & Rolls (1991): the share of samples in which a feature fires where it always
    fires alike, less where it does not, in any units. Above the bound, falling q pushes small codes off and large ones
    up; features below it are left alone. That only the high frequencies should pay, and quadratically, is from Smith et
    al. (2025, Google DeepMind's progress update on sparse autoencoders), who take the rate itself through a
    straight-through gradient.

    Args:
        weight: of the sum.
        bound: the rate above which a feature pays.
        warmup: the part of training over which the weight rises from 0.
    """

    needs: frozenset[Part] = frozenset({"codes"})
    moves = ("W_enc", "b_enc")

    def __init__(
        self, *, weight: float = 0.1, bound: Annotated[float, Field(gt=0, lt=1)] = 0.1, warmup: float = 0.0
    ) -> None:
        super().__init__()
        self.weight, self.bound, self.warmup = weight, bound, warmup

    def memory(self, batch_size: int) -> float:
        return max(0.0, 1 - batch_size * self.bound / 10)

    def statistic(self, step: Step, sae: SAE) -> Tensor:
        """E_b[ |codes_bj| ] and E_b[ codes²_bj ], [2, F]."""
        sizes, squares = step.codes.map(Tensor.abs), step.codes.map(Tensor.square)
        return torch.stack([codes.per_feature_sum(step.weight) for codes in (sizes, squares)]) / len(step.codes)

    def value(self, statistic: Tensor | None, sae: SAE) -> Tensor:
        assert statistic is not None
        size, square = statistic
        rate = size.square() / square.clamp_min(TINY)
        return (rate / self.bound - 1).relu().square().sum()
