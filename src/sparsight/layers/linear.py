"""The linear encoder and decoder."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from sparsight.core import Codes, Decoder, Encoder, Sizes

SPARSE_BELOW = 1 / 16
"""The share of stored codes below which summing the rows that fire is faster than a dense product."""


class LinearEncoder(Encoder):
    """pre = W_enc (x − b_dec) + b_enc.

    Args:
        centre: subtract `b_dec` first; else pre = W_enc x + b_enc.
        tied: W_enc is W_dec, the same parameter.
    """

    def __init__(self, *, centre: bool = True, tied: bool = False) -> None:
        super().__init__()
        self.centre, self.tied = centre, tied

    def setup(self, sizes: Sizes) -> None:
        self.bias = nn.Parameter(torch.zeros(sizes.n_latents))
        self.own = None if self.tied else nn.Parameter(torch.zeros(sizes.n_latents, sizes.n_inputs))

    def weight(self, decoder: Decoder) -> Tensor:
        return decoder.weight if self.own is None else self.own

    def forward(self, x: Tensor, decoder: Decoder) -> Tensor:
        if not self.centre:
            return functional.linear(x, self.weight(decoder), self.bias)
        # W (x - b_dec) as W x - W b_dec: no second copy of the batch
        weight = self.weight(decoder)
        return functional.linear(x, weight, self.bias - weight @ decoder.bias)


class LinearDecoder(Decoder):
    """logits = codes W_dec + b_dec."""

    def setup(self, sizes: Sizes) -> None:
        self.weight = nn.Parameter(torch.zeros(sizes.n_latents, sizes.n_targets))
        self.bias = nn.Parameter(torch.zeros(sizes.n_targets))

    def forward(self, codes: Codes) -> Tensor:
        if codes.is_dense or codes.values.numel() > SPARSE_BELOW * len(codes) * codes.n_latents:
            return torch.addmm(self.bias, codes.dense(), self.weight)
        values, index, offsets = codes.sparse()
        rows = functional.embedding_bag(
            index, self.weight, offsets, mode="sum", per_sample_weights=values, include_last_offset=True
        )
        return cast(Tensor, rows) + self.bias
