"""Neighbouring pixels of a filter are alike."""

from torch import Tensor
from torch.nn import functional

from sparsight.core import SAE, Facts, StatisticTerm
from sparsight.core.term import Part
from sparsight.spec import register
from sparsight.terms.weights import MOVES, Of, chosen

TINY = 1e-12


@register("term", "smoothness")
class Smoothness(StatisticTerm):
    """E‖x − mean‖² Σ_j Σ_pq (w_jp − w_jq)² / ‖w_j‖²_v over features j, neighbouring pixels p, q; samples are pictures.

    Neighbours are those beside and below, channel by channel; outside the picture a filter is 0. The roughness is that
    of a filter's direction: it is blind to its length, so filters of features that rarely fire are not shrunk until
    they fire no more. Decoder rows have their own length. That of encoder filters is measured where inputs vary,
    ‖w‖²_v = Σ_p v_p w_p² with v_p the variance of input p over the mean of all: else pixels that never vary, which
    nothing else holds, would grow into something large and smooth. The variance of the data, E‖x − mean‖², makes one
    weight fit all sizes of pictures and all units: it is what the squared error grows with.

    Where the source has no geometry the term is left out, and the run says so.
    """

    needs: frozenset[Part] = frozenset({"weights"})

    def __init__(self, *, weight: float = 1e-4, of: Of = "decoder", warmup: float = 0.0) -> None:
        super().__init__()
        self.weight, self.warmup = weight, warmup
        self.of: Of = of
        self.moves = MOVES[of]
        self.varies: Tensor | None = None  # [D]
        self.power = 1.0

    def check(self, sae: SAE, facts: Facts) -> str | None:
        if facts.schema.shape is None:
            return "smoothness is left out: these samples are no pictures (declare a shape if they are)"
        if facts.schema.n_targets is not None:
            return "smoothness is left out: inputs and targets are of two kinds"
        self.power = facts.power
        self.varies = (facts.variance / facts.variance.mean().clamp_min(TINY)).to(sae.b_dec)
        return None

    def value(self, statistic: Tensor | None, sae: SAE) -> Tensor:
        shape = sae.schema.shape
        if shape is None:
            return sae.W_dec.new_zeros(())
        total = sae.W_dec.new_zeros(())
        for weight in chosen(self.of, sae):
            picture = functional.pad(weight.unflatten(1, (*shape[:2], -1)), (0, 0, 1, 1, 1, 1))  # [F, H + 2, W + 2, C]
            rough = sum(picture.diff(dim=dim).square().flatten(1).sum(1) for dim in (1, 2))
            length = weight.square().sum(1)
            if self.varies is not None and weight is not sae.W_dec:
                length = weight.square() @ self.varies.to(weight)
            total = total + (rough / length.clamp_min(TINY)).sum()
        return self.power * total
