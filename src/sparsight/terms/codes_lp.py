"""The size of the codes, ever closer to their number."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from sparsight.core import SAE, Facts, StatisticTerm, Step
from sparsight.core.term import Part
from sparsight.errors import SparsightError
from sparsight.spec import register

Share = Annotated[float, Field(ge=0, le=1)]
TINY = 1e-30


@register("term", "codes_lp")
class CodesLp(StatisticTerm):
    """c E_b[ Σ_j |codes_bj|^p ], with c = E_b[ Σ_j |codes_bj| ] / E_b[ Σ_j |codes_bj|^p ] held still.

    p falls linearly from 1, where this is the L1 norm, to `p_end`, where small codes are pushed harder than large
    ones. c makes the value that of the L1 norm at every p, so the loss has no jump and the weight one meaning
    (Karvonen et al. 2024, who rescale their weight at each of some steps of p). Outside training p is `p_end`. The
    slope of a power is infinite at 0: below δ = .01 (E‖x − mean‖² / D)^½ it is |codes| δ^(p − 1).

    Args:
        p_end: where p ends.
        start: the share of training that is done where p begins to fall,
        end: and where it has arrived.

    Raises:
        SparsightError: an end that is not after the start.
    """

    needs: frozenset[Part] = frozenset({"codes"})
    moves = ("W_enc", "b_enc")
    sparsifies = True

    def __init__(
        self,
        *,
        weight: float = 1.0,
        p_end: Annotated[float, Field(gt=0, le=1)] = 0.2,
        start: Share = 0.1,
        end: Share = 0.8,
        warmup: float = 0.0,
    ) -> None:
        super().__init__()
        if end <= start:
            raise SparsightError(f"p falls: it cannot end at {end:g} of the training and start at {start:g}")
        self.weight, self.warmup = weight, warmup
        self.p_end, self.start, self.end = p_end, start, end
        self.small = 0.01

    def check(self, sae: SAE, facts: Facts) -> None:
        self.small = 0.01 * ((facts.power or 1.0) / sae.sizes.n_targets) ** 0.5

    def p(self, progress: float) -> float:
        """The power at this point of training, 0 to 1."""
        if progress >= self.end:
            return self.p_end
        return 1 - (1 - self.p_end) * max(0.0, progress - self.start) / (self.end - self.start)

    def statistic(self, step: Step, sae: SAE) -> Tensor:
        sizes, p = step.codes.map(Tensor.abs), self.p(step.progress)
        powers = sizes.map(lambda v: v * v.clamp_min(self.small).pow(p - 1))
        return torch.stack([step.mean(sizes.per_sample_sum()), step.mean(powers.per_sample_sum())])

    def value(self, statistic: Tensor | None, sae: SAE) -> Tensor:
        assert statistic is not None
        plain, power = statistic
        return plain.detach() / power.detach().clamp_min(TINY) * power
