"""The linear encoder and decoder."""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from sparsight.core import Activation, Codes, Decoder, Encoder, Gradients, Sizes
from sparsight.errors import SparsightError
from sparsight.kernels import sparse


class CentredLinear(torch.autograd.Function):
    """pre = (x − centre) Wᵀ + bias, computed as x Wᵀ + (bias − W centre): no second copy of the batch.

    Autograd's own backward of either form makes a tensor of the size of the batch or of the weights only to add it to
    another one.
    """

    @staticmethod
    def value(x: Tensor, weight: Tensor, bias: Tensor, centre: Tensor) -> Tensor:
        return functional.linear(x, weight, bias - weight @ centre)

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, centre: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight, centre)
        return CentredLinear.value(x, weight, bias, centre)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, Tensor, Tensor, Tensor]:
        (of_pre,) = grad_outputs
        x, weight, centre = ctx.saved_tensors
        of_x = of_pre @ weight if ctx.needs_input_grad[0] else None
        of_bias = of_pre.sum(0)
        return of_x, (of_pre.T @ x).addr_(of_bias, centre, alpha=-1), of_bias, -(of_bias @ weight)


class LinearEncoder(Encoder):
    """pre = W_enc (x − b_dec) + b_enc.

    Args:
        centre: subtract `b_dec` first; else pre = W_enc x + b_enc.
        tied: W_enc is W_dec, the same parameter.
        bias: have `b_enc`; else it is 0, and no parameter.
    """

    def __init__(self, *, centre: bool = True, tied: bool = False, bias: bool = True) -> None:
        super().__init__()
        self.centre, self.tied, self.biased = centre, tied, bias
        self.closed_form = bias

    def setup(self, sizes: Sizes) -> None:
        zeros = torch.zeros(sizes.n_latents)
        if self.biased:
            self.bias = nn.Parameter(zeros)
        else:
            self.register_buffer("bias", zeros)
        self.own = None if self.tied else nn.Parameter(torch.zeros(sizes.n_latents, sizes.n_inputs))

    def weight(self, decoder: Decoder) -> Tensor:
        return decoder.weight if self.own is None else self.own

    def forward(self, x: Tensor, decoder: Decoder, features: Tensor | None = None) -> Tensor:
        weight, bias = self.weight(decoder), self.bias
        if features is not None:
            weight, bias = weight[features], bias[features]
        if not self.centre:
            return functional.linear(x, weight, bias)
        if not torch.is_grad_enabled():
            return CentredLinear.value(x, weight, bias, decoder.bias)
        return cast(Tensor, CentredLinear.apply(x, weight, bias, decoder.bias))

    def chosen(self, x: Tensor, decoder: Decoder, activation: Activation) -> Codes:
        if not torch.is_grad_enabled():
            return super().chosen(x, decoder, activation)
        centre = decoder.bias if self.centre else None
        return sparse.encode(x, self.weight(decoder), self.bias, centre, activation.choose)

    def pull_back(self, x: Tensor, of_pre: Tensor, decoder: Decoder, gradients: Gradients) -> None:
        of_bias = of_pre.sum(0)
        gradients.add("b_enc", of_bias)
        gradients.add_product("W_enc", of_pre.T, x)
        if self.centre:
            gradients["W_enc"].addr_(of_bias, decoder.bias, alpha=-1)
            gradients.add("b_dec", (of_bias @ self.weight(decoder)).neg_())


class LinearDecoder(Decoder):
    """logits = codes W_dec + b_dec.

    Args:
        skip: add W_skip x, a linear way past the codes; W_skip [D_out, D] starts at 0 (Paulo et al. 2025).

    Raises:
        SparsightError: a way past the codes, and no x.
    """

    def __init__(self, *, skip: bool = False) -> None:
        super().__init__()
        self.has_skip = skip
        self.closed_form = not skip

    def setup(self, sizes: Sizes) -> None:
        self.weight = nn.Parameter(torch.zeros(sizes.n_latents, sizes.n_targets))
        self.bias = nn.Parameter(torch.zeros(sizes.n_targets))
        self.skip = nn.Parameter(torch.zeros(sizes.n_targets, sizes.n_inputs)) if self.has_skip else None

    def forward(self, codes: Codes, x: Tensor | None = None) -> Tensor:
        if self.skip is None:
            return self._sum(codes)
        if x is None:
            raise SparsightError("codes alone do not decide what a skip decoder makes of a sample: give the inputs too")
        return self._sum(codes) + functional.linear(x, self.skip)

    def _sum(self, codes: Codes) -> Tensor:
        if sparse.is_sparse(codes):
            return sparse.decode(codes, self.weight, self.bias)
        return torch.addmm(self.bias, codes.dense(), self.weight)

    def pull_back(self, codes: Codes, of_logits: Tensor, gradients: Gradients) -> Tensor:
        gradients.add("b_dec", of_logits.sum(0))
        gradients.add_product("W_dec", codes.dense().T, of_logits)
        return of_logits @ self.weight.T
