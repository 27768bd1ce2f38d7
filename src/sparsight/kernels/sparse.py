"""Encode-and-select and decode where k of F codes are kept: every product but the encoder's own multiplies with the k.

With C [B, F] the codes and P = ∂loss/∂pre, both with the same few places kept, and G = ∂loss/∂logits [B, D_out]:

    logits = C W_dec + b_dec        ∂/∂C = (G W_decᵀ at the places)      ∂/∂W_dec = Cᵀ G
                                    ∂/∂W_enc = Pᵀ x                      ∂/∂b_enc = Pᵀ 1

Sums of chosen rows are `embedding_bag`s, on the CPU about twice as fast as a sparse matrix in CSR.
"""

import warnings
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional

from sparsight.core import Codes

with warnings.catch_warnings():  # torch says once in a process that CSR is young
    warnings.simplefilter("ignore")
    torch.sparse_csr_tensor([0, 0], [], [], (1, 1))

Choose = Callable[[Tensor], Codes]
SPARSE_BELOW = 1 / 16
"""The share of stored codes below which summing the rows that are kept is faster than a dense product."""


def is_sparse(codes: Codes) -> bool:
    """Whether these codes are multiplied faster by what is kept of them."""
    return not codes.is_dense and codes.values.numel() <= SPARSE_BELOW * len(codes) * codes.n_latents


def encode(x: Tensor, weight: Tensor, bias: Tensor, centre: Tensor | None, choose: Choose) -> Codes:
    """choose((x − centre) Wᵀ + bias), whose gradient is taken at the chosen places alone."""
    memo: dict[str, Any] = {}
    values, index, offsets = Encode.apply(x, weight, bias, centre, choose, memo)
    return Codes(values, len(weight), index, offsets, memo)


def decode(codes: Codes, weight: Tensor, bias: Tensor) -> Tensor:
    """Σ_j codes_bj W_dec_j + b_dec, [B, D_out]."""
    return cast(Tensor, Decode.apply(codes.values, weight, bias, Places(codes)))


def weighted_rows(values: Tensor, index: Tensor, offsets: Tensor, rows: Tensor) -> Tensor:
    """A sparse matrix in CSR times a dense one."""
    found = functional.embedding_bag(
        index, rows, offsets, mode="sum", per_sample_weights=values, include_last_offset=True
    )
    return cast(Tensor, found)


class Places:
    """Where codes are kept, without their values. What is found out about it is kept in the codes' memo."""

    def __init__(self, codes: Codes) -> None:
        _, self.index, self.offsets = codes.sparse()
        self.shape = (len(codes), codes.n_latents)
        self.memo = codes.memo

    def by_feature(self) -> tuple[Tensor, Tensor, Tensor]:
        """The order of the values feature by feature and their samples, [nnz], and where features begin, [F + 1]."""
        if "by_feature" not in self.memo:
            order = self.index.argsort(stable=True)
            starts = torch.bincount(self.index, minlength=self.shape[1]).cumsum(0)
            # the sample of a value is how many samples end at or before it
            rows = torch.searchsorted(self.offsets[1:], order, right=True)
            self.memo["by_feature"] = order, rows, functional.pad(starts, (1, 0))
        return self.memo["by_feature"]

    def transposed_times(self, values: Tensor, dense: Tensor) -> Tensor:
        """Cᵀ dense, [F, D]."""
        order, rows, starts = self.by_feature()
        return weighted_rows(values[order], rows, starts, dense)

    def per_feature_sum(self, values: Tensor) -> Tensor:
        """Cᵀ 1, [F]."""
        return values.new_zeros(self.shape[1]).index_add_(0, self.index, values)

    def sampled(self, left: Tensor, right: Tensor) -> Tensor:
        """left rightᵀ at the places, [nnz]; left [B, D], right [F, D]."""
        nothing = left.new_zeros(len(self.index))
        places = torch.sparse_csr_tensor(self.offsets, self.index, nothing, self.shape, check_invariants=False)
        return torch.sparse.sampled_addmm(places, left, right.T, beta=0.0).values()


class Encode(torch.autograd.Function):
    """What is chosen of pre = (x − centre) Wᵀ + bias, computed as x Wᵀ + (bias − W centre)."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        centre: Tensor | None,
        choose: Choose,
        memo: dict[str, Any],
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        chosen = choose(functional.linear(x, weight, bias if centre is None else bias - weight @ centre))
        ctx.save_for_backward(x, weight, centre)
        ctx.places = None
        if not chosen.is_dense:
            ctx.places = Places(Codes(chosen.values, chosen.n_latents, chosen.index, chosen.offsets, memo))
            ctx.mark_non_differentiable(*chosen.sparse()[1:])
        return chosen.values, chosen.index, chosen.offsets

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, centre = ctx.saved_tensors
        of_pre, places = grad_outputs[0], ctx.places
        of_x = None
        if places is None:
            of_weight, of_bias = of_pre.T @ x, of_pre.sum(0)
            if ctx.needs_input_grad[0]:
                of_x = of_pre @ weight
        else:
            of_weight, of_bias = places.transposed_times(of_pre, x), places.per_feature_sum(of_pre)
            if ctx.needs_input_grad[0]:
                of_x = weighted_rows(of_pre, places.index, places.offsets, weight)
        if centre is None:
            return of_x, of_weight, of_bias, None, None, None
        return of_x, of_weight.addr_(of_bias, centre, alpha=-1), of_bias, -(of_bias @ weight), None, None


class Decode(torch.autograd.Function):
    """Σ_j codes_bj W_dec_j + b_dec."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, weight: Tensor, bias: Tensor, places: Places) -> Tensor:
        ctx.save_for_backward(values, weight)
        ctx.places = places
        return weighted_rows(values, places.index, places.offsets, weight).add_(bias)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        (of_logits,) = grad_outputs
        values, weight = ctx.saved_tensors
        places: Places = ctx.places
        of_values = places.sampled(of_logits, weight) if ctx.needs_input_grad[0] else None
        of_weight = places.transposed_times(values, of_logits) if ctx.needs_input_grad[1] else None
        return of_values, of_weight, of_logits.sum(0) if ctx.needs_input_grad[2] else None, None
