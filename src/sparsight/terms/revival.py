"""What brings dead features back."""

import torch
from torch import Tensor

from sparsight.core import SAE, Facts, SampleTerm, StatisticTerm, Step
from sparsight.core.term import Part
from sparsight.errors import SparsightError
from sparsight.spec import register


@register("term", "auxk")
class AuxK(SampleTerm):
    """E_b[ ½ ‖ e_b − Σ_j∈dead max(pre_bj, 0) W_dec_j ‖² ] with e = target − recon held still (Gao et al. 2024).

    The dead features try to explain what the living ones left over; of more than `k` dead ones, the k largest
    pre-activations of each sample. It reaches the encoder and the decoder rows of dead features with a positive
    pre-activation somewhere; the living are held still, and of `b_dec` it sees only what a centred encoder subtracts.
    Where no feature is dead it is 0 and costs nothing. Published with a weight of 1/32 and each error divided by its
    variance over the batch, which is about 1 in the one reduction where a thirtieth of the variance is left over.

    Raises:
        SparsightError: an output other than the identity, where rows do not add up to the reconstruction.
    """

    needs: frozenset[Part] = frozenset({"recon", "weights"})
    moves = ("W_enc", "b_enc", "W_dec")

    def __init__(self, *, weight: float = 1.0, k: int | None = None, warmup: float = 0.0) -> None:
        super().__init__()
        self.weight, self.k, self.warmup = weight, k, warmup

    def check(self, sae: SAE, facts: Facts) -> None:
        if sae.output != "identity":
            raise SparsightError(f"auxk needs output = 'identity', and it is {sae.output!r}")

    def silent(self, dead: Tensor | None) -> bool:
        return dead is None

    def per_sample(self, step: Step, sae: SAE) -> Tensor:
        if step.dead is None:
            return step.x.new_zeros(len(step.x))
        dead = step.dead.nonzero().squeeze(1)
        codes = sae.pre(step.x, dead).relu()
        k = self.k or max(1, sae.n_inputs // 2)
        if len(dead) > k:
            top = codes.topk(k, dim=1)
            codes = codes.new_zeros(codes.shape).scatter(1, top.indices, top.values)
        left = (step.target - step.recon).detach()
        return 0.5 * (codes @ sae.W_dec[dead] - left).square().sum(1)


def _bar(step: Step, sae: SAE, dead: Tensor) -> Tensor:
    """What dead features must exceed to fire; the codes of the living are held still, and thresholds are not."""
    return sae.activation.bar(step.codes.map(Tensor.detach), dead)


@register("term", "nudge")
class Nudge(StatisticTerm):
    """u Σ_j E_b[ max(m_bj − pre_bj, 0) ] over dead features that beat m in no sample, through b_enc and θ alone.

    m_bj is what feature j must exceed to fire in sample b: 0, the threshold θ_j, the smallest code that the sample
    keeps, or where the batch was cut. AuxK cannot reach a feature whose pre-activation is never positive, and
    gives one that always loses to others a filter that explains what is left over, not one that wins. This raises its
    bias, and lowers a threshold, until it fires somewhere, so that the error reaches it, and then lets go. The gradient
    is at most u per feature, whatever the deficit, and the filter is left as it is.

    u = √(E‖target − mean‖²) / F is of the size of the gradient that the error has for the bias of a living feature. A
    much larger one would stay in Adam's mean square for many steps, in which the bias could not be taken back.
    """

    needs: frozenset[Part] = frozenset({"codes"})
    moves = ("b_enc",)

    def __init__(self, *, weight: float = 4.0, warmup: float = 0.0) -> None:
        super().__init__()
        self.weight, self.warmup = weight, warmup
        self.unit = 1.0

    def check(self, sae: SAE, facts: Facts) -> None:
        self.unit = facts.power**0.5 / sae.n_latents

    def silent(self, dead: Tensor | None) -> bool:
        return dead is None

    def statistic(self, step: Step, sae: SAE) -> Tensor:
        """The mean deficit of each dead feature, and the share of samples in which it has none, [2, dead]."""
        if step.dead is None:
            return step.x.new_zeros(2, 0)
        dead = step.dead.nonzero().squeeze(1)
        with torch.no_grad():
            pre = sae.pre(step.x, dead)
        over = pre - _bar(step, sae, dead)
        bias = (sae.b_enc - sae.b_enc.detach())[dead]
        return torch.stack([(-(over + bias)).relu().mean(0), (over > 0).to(over.dtype).mean(0)])

    def value(self, statistic: Tensor | None, sae: SAE) -> Tensor:
        assert statistic is not None
        deficit, wins = statistic
        return self.unit * (deficit * (wins == 0)).sum()


@register("term", "preactivation")
class Preactivation(SampleTerm):
    """E_b[ Σ_j max(θ_j − pre_bj, 0) ‖W_dec_j‖ ] over dead features, with the length of the row held still.

    θ is where features begin to fire. Unlike `nudge` it moves filter, bias and threshold, in every sample, until the
    feature is dead no more (Conerly et al., Anthropic, January 2025; there over all features, with a weight of 3e-6).
    """

    needs: frozenset[Part] = frozenset({"codes", "weights"})
    moves = ("W_enc", "b_enc")

    def __init__(self, *, weight: float = 1.0, warmup: float = 0.0) -> None:
        super().__init__()
        self.weight, self.warmup = weight, warmup

    def silent(self, dead: Tensor | None) -> bool:
        return dead is None

    def per_sample(self, step: Step, sae: SAE) -> Tensor:
        if step.dead is None:
            return step.x.new_zeros(len(step.x))
        dead = step.dead.nonzero().squeeze(1)
        deficit = (_bar(step, sae, dead) - sae.pre(step.x, dead)).relu()
        return deficit @ sae.W_dec.detach()[dead].norm(dim=1)
