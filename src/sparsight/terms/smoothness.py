"""Neighbouring pixels of a filter are alike."""

from torch import Tensor

from sparsight.core import SAE, Facts, StatisticTerm
from sparsight.core.parts import Part
from sparsight.spec import register
from sparsight.terms.weights import MOVES, Of, chosen

TINY = 1e-12


@register("term", "smoothness")
class Smoothness(StatisticTerm):
    """Σ_j Σ_pq (w_jp − w_jq)² / ‖w_j‖² over features j and neighbouring pixels p, q, where samples are pictures.

    Neighbours are those to the right and below, channel by channel. The roughness is that of a filter's direction: it
    is blind to its length, so filters of features that rarely fire are not shrunk until they fire no more. Where the
    source has no geometry the term is left out, and the run says so.
    """

    needs: frozenset[Part] = frozenset({"weights"})

    def __init__(self, *, weight: float = 1e-3, of: Of = "decoder", warmup: float = 0.0) -> None:
        super().__init__()
        self.weight, self.warmup = weight, warmup
        self.of: Of = of
        self.moves = MOVES[of]

    def check(self, sae: SAE, facts: Facts) -> str | None:
        if facts.schema.shape is None:
            return "smoothness is left out: these samples are no pictures (declare a shape if they are)"
        return None

    def value(self, statistic: Tensor | None, sae: SAE) -> Tensor:
        shape = sae.schema.shape
        if shape is None:
            return sae.W_dec.new_zeros(())
        total = sae.W_dec.new_zeros(())
        for weight in chosen(self.of, sae):
            picture = weight.unflatten(1, shape)  # [F, H, W, ...]
            rough = sum(picture.diff(dim=dim).square().flatten(1).sum(1) for dim in (1, 2))
            total = total + (rough / weight.square().sum(1).clamp_min(TINY)).sum()
        return total
