"""How many features fire."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from sparsight.core import SAE, Codes, Facts, SampleTerm, StatisticTerm, Step
from sparsight.core.term import Part
from sparsight.errors import SparsightError
from sparsight.spec import register

Wanted = Annotated[float, Field(gt=0)]


def check_fires(name: str, sae: SAE) -> None:
    """Refuse an activation of which the number of features that fire has no gradient."""
    if sae.activation.fires(Codes(sae.b_enc[None], sae.n_latents)) is None:
        raise SparsightError(
            f"{name} needs thresholds that can be learnt, and {sae.architecture['name']} has none: "
            "use jumprelu, or codes_l1 in its place"
        )


def l0(step: Step, sae: SAE) -> Tensor:
    """How many features fire in each sample, [B], with its straight-through gradient."""
    assert step.chosen is not None
    fires = sae.activation.fires(step.chosen)
    assert fires is not None
    return fires.per_sample_sum()


@register("term", "l0")
class L0(SampleTerm):
    """E‖x − mean‖² E_b[ Σ_j 1[codes_bj > 0] ]: what a feature costs where it fires, as a share of the variance.

    A feature is worth a weight of λ where it takes more than 2 λ of the variance off the error. Published beside
    ‖error‖² and without the variance, where the same weight is 2 λ E‖x − mean‖² (Rajamanoharan et al. 2024).

    Raises:
        SparsightError: an activation without thresholds that can be learnt.
    """

    needs: frozenset[Part] = frozenset({"chosen"})
    moves = ("W_enc", "b_enc")
    sparsifies = True

    def __init__(self, *, weight: float = 1e-3, warmup: float = 0.0) -> None:
        super().__init__()
        self.weight, self.warmup = weight, warmup
        self.power = 1.0

    def check(self, sae: SAE, facts: Facts) -> None:
        check_fires("l0", sae)
        self.power = facts.power

    def per_sample(self, step: Step, sae: SAE) -> Tensor:
        return self.power * l0(step, sae)


@register("term", "l0_target")
class L0Target(StatisticTerm):
    """E‖x − mean‖² (L0 / target − 1)², with L0 the mean number of features that fire (Rajamanoharan et al. 2024).

    Args:
        target: of L0; None: √D, and at most a quarter of the features.

    Raises:
        SparsightError: an activation without thresholds that can be learnt, or a target above the number of features.
    """

    needs: frozenset[Part] = frozenset({"chosen"})
    moves = ("W_enc", "b_enc")
    sparsifies = True

    def __init__(self, *, weight: float = 5.0, target: Wanted | None = None, warmup: float = 0.0) -> None:
        super().__init__()
        self.weight, self.asked, self.warmup = weight, target, warmup
        self.target, self.power = target or 1.0, 1.0

    def check(self, sae: SAE, facts: Facts) -> None:
        check_fires("l0_target", sae)
        self.target = self.asked or max(1.0, min(sae.n_inputs**0.5, sae.n_latents / 4))
        if self.target > sae.n_latents:
            raise SparsightError(
                f"the target is {self.target:g} features and there are only {sae.n_latents}: ask for fewer"
            )
        self.power = facts.power

    def statistic(self, step: Step, sae: SAE) -> Tensor:
        return step.mean(l0(step, sae))

    def value(self, statistic: Tensor | None, sae: SAE) -> Tensor:
        assert statistic is not None
        return self.power * (statistic / self.target - 1).square()


@register("term", "tanh")
class Tanh(SampleTerm):
    """E‖x − mean‖² E_b[ Σ_j tanh(c |codes_bj| ‖W_dec_j‖ / s) ], with s² = E‖x − mean‖² / D: a soft count of features.

    Published for data with s = 1, beside ‖error‖² and without the variance (Conerly et al., Anthropic, January 2025):
    the same weight is there 2 D times as large.
    """

    needs: frozenset[Part] = frozenset({"codes", "weights"})
    moves = ("W_enc", "b_enc")
    sparsifies = True

    def __init__(self, *, weight: float = 1e-3, c: Annotated[float, Field(gt=0)] = 4.0, warmup: float = 0.0) -> None:
        super().__init__()
        self.weight, self.c, self.warmup = weight, c, warmup
        self.power = 1.0

    def check(self, sae: SAE, facts: Facts) -> None:
        self.power = facts.power or 1.0

    def per_sample(self, step: Step, sae: SAE) -> Tensor:
        codes = step.codes if sae.activation.bounds[0] >= 0 else step.codes.map(torch.abs)  # |0| has no slope
        scale = codes.per_place(self.c * (sae.sizes.n_targets / self.power) ** 0.5 * sae.W_dec.norm(dim=1))
        return self.power * codes.map(lambda values: torch.tanh(scale * values)).per_sample_sum()
