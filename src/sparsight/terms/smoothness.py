"""Neighbouring pixels of a filter are alike."""

from torch import Tensor

from sparsight.core import SAE, Facts, StatisticTerm
from sparsight.core.parts import Part
from sparsight.spec import register
from sparsight.terms.weights import MOVES, Of, chosen


@register("term", "smoothness")
class Smoothness(StatisticTerm):
    """Σ over features and neighbouring pixels p, q of (w_p − w_q)², where samples are pictures.

    Neighbours are those to the right and below, channel by channel. Where the source has no geometry the term is
    left out, and the run says so.
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
            total = total + picture.diff(dim=1).square().sum() + picture.diff(dim=2).square().sum()
        return total
