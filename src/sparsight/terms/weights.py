"""The size of the weights: never of biases."""

from typing import Literal

import torch
from torch import Tensor

from sparsight.core import SAE, StatisticTerm
from sparsight.core.term import Part
from sparsight.spec import register

Of = Literal["encoder", "decoder", "both"]
MOVES: dict[Of, tuple[str, ...]] = {"encoder": ("W_enc",), "decoder": ("W_dec",), "both": ("W_enc", "W_dec")}


def chosen(of: Of, sae: SAE) -> list[Tensor]:
    """The weights that a term acts on; a tied weight counts once."""
    if of == "both":
        return [sae.W_dec] if sae.W_enc is sae.W_dec else [sae.W_enc, sae.W_dec]
    return [sae.W_enc if of == "encoder" else sae.W_dec]


@register("term", "l2")
class L2(StatisticTerm):
    """½ Σ w² over the weights of the encoder, the decoder or both: weight decay, as part of the loss."""

    needs: frozenset[Part] = frozenset({"weights"})

    def __init__(self, *, weight: float = 1e-3, of: Of = "both", warmup: float = 0.0) -> None:
        super().__init__()
        self.weight, self.warmup = weight, warmup
        self.of: Of = of
        self.moves = MOVES[of]

    def value(self, statistic: Tensor | None, sae: SAE) -> Tensor:
        return 0.5 * torch.stack([w.square().sum() for w in chosen(self.of, sae)]).sum()


@register("term", "l1")
class L1(StatisticTerm):
    """Σ |w| over the weights of the encoder, the decoder or both: sparse weights, which is not sparse codes."""

    needs: frozenset[Part] = frozenset({"weights"})

    def __init__(self, *, weight: float = 1e-3, of: Of = "decoder", warmup: float = 0.0) -> None:
        super().__init__()
        self.weight, self.warmup = weight, warmup
        self.of: Of = of
        self.moves = MOVES[of]

    def value(self, statistic: Tensor | None, sae: SAE) -> Tensor:
        return torch.stack([w.abs().sum() for w in chosen(self.of, sae)]).sum()
