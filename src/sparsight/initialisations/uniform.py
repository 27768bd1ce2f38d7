"""The classic start."""

from typing import Literal

import torch

from sparsight.core import SAE, Facts, Initialisation, Sampler, generator
from sparsight.spec import register

_PURPOSE = 5


@register("initialisation", "uniform")
class Uniform(Initialisation):
    """W_enc and W_dec from U(−r, r) with r = √(6 / (D + F + 1)), biases 0 (Glorot & Bengio 2010, UFLDL).

    Args:
        decoder: `zeros` starts W_dec at 0, as the autoencoder of TensorFlow's models did. The first step then gives
            the encoder no gradient.
    """

    def __init__(self, *, decoder: Literal["uniform", "zeros"] = "uniform") -> None:
        self.decoder = decoder

    @torch.no_grad()
    def __call__(self, sae: SAE, sample: Sampler, facts: Facts, seed: int) -> None:
        dice = generator(seed, _PURPOSE)
        r = (6 / (sae.n_inputs + sae.n_latents + 1)) ** 0.5
        for weight in [sae.W_enc, sae.W_dec]:
            weight.copy_(torch.empty(weight.shape).uniform_(-r, r, generator=dice))
        if self.decoder == "zeros":
            sae.W_dec.zero_()
        sae.b_enc.zero_()
        sae.b_dec.zero_()
