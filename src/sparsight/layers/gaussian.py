"""An encoder that says how sure it is."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from sparsight.core import Decoder, Encoder, Sizes
from sparsight.layers.linear import LinearEncoder


class GaussianEncoder(Encoder):
    """pre = [W_enc (x − b_dec) + b_enc, V (x − b_dec) + c]: means and log-variances, [B, 2 F]."""

    def setup(self, sizes: Sizes) -> None:
        self.bias = nn.Parameter(torch.zeros(sizes.n_latents))
        self.own = nn.Parameter(torch.zeros(sizes.n_latents, sizes.n_inputs))
        self.log_variance = LinearEncoder()
        self.log_variance.setup(sizes)

    def weight(self, decoder: Decoder) -> Tensor:
        return self.own

    def forward(self, x: Tensor, decoder: Decoder, features: Tensor | None = None) -> Tensor:
        weight, bias = (self.own, self.bias) if features is None else (self.own[features], self.bias[features])
        mean = functional.linear(x - decoder.bias, weight, bias)
        return torch.cat([mean, self.log_variance(x, decoder, features)], dim=1)
