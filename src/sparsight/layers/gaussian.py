"""An encoder that says how sure it is."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from sparsight.core import Decoder, Sizes
from sparsight.layers.linear import LinearEncoder


class GaussianEncoder(LinearEncoder):
    """pre = [W_enc (x − b_dec) + b_enc, V (x − b_dec) + c]: means and log-variances, [B, 2 F]."""

    closed_form = False

    def setup(self, sizes: Sizes) -> None:
        super().setup(sizes)
        self.log_variance = nn.Linear(sizes.n_inputs, sizes.n_latents)
        for parameter in self.log_variance.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, decoder: Decoder) -> Tensor:
        centred = x - decoder.bias
        mean = functional.linear(centred, self.weight(decoder), self.bias)
        return torch.cat([mean, self.log_variance(centred)], dim=1)
