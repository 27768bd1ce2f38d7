"""Preprocessing that shifts and scales."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from sparsight.core import Preprocess, Schema
from sparsight.errors import SparsightError
from sparsight.meters.moments import Moments
from sparsight.spec import register

CONSTANT = 1e-2
"""A pixel is near-constant where its standard deviation is below this share of the typical one."""
ROUNDING = 1e-5
"""Another input is, where its standard deviation is below this share of its largest magnitude."""


class Affine(Preprocess):
    """x = (raw − shift) / spread."""

    shift: Tensor  # [D] or [1]
    spread: Tensor  # [D] or [1]
    wide: bool
    """One number per input, or one for all."""

    def __init__(self) -> None:
        super().__init__()

    def setup(self, n_inputs: int) -> None:
        width = n_inputs if self.wide else 1
        self.register_buffer("shift", torch.zeros(width))
        self.register_buffer("spread", torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.shift) / self.spread

    def inverse(self, x: Tensor) -> Tensor:
        return x * self.spread + self.shift

    def filters_in_raw_units(self, W_enc: Tensor) -> Tensor:
        return W_enc / self.spread

    def rows_in_raw_units(self, W_dec: Tensor) -> Tensor:
        return W_dec * self.spread

    @staticmethod
    def measure(stream: Callable[[], Iterator[Tensor]], schema: Schema) -> Moments:
        moments = Moments(schema.n_inputs)
        for rows in stream():
            moments.update(rows)
        return moments


@register("preprocess", "centre")
class Centre(Affine):
    """x = raw − mean, input by input."""

    wide = True

    def fit(self, stream: Callable[[], Iterator[Tensor]], schema: Schema) -> None:
        self.shift.copy_(self.measure(stream, schema).mean)


@register("preprocess", "scale")
class Scale(Affine):
    """x = raw / s with one s for all inputs, so that E‖x − mean‖² = D: weights then mean the same for all data.

    Raises:
        SparsightError: all samples are equal.
    """

    wide = False

    def fit(self, stream: Callable[[], Iterator[Tensor]], schema: Schema) -> None:
        spread = self.measure(stream, schema).variance.mean().sqrt()
        if spread == 0:
            raise SparsightError("the data cannot be scaled: all samples are equal")
        self.spread.copy_(spread)


@register("preprocess", "standardise")
class Standardise(Affine):
    """x = (raw − mean) / std, input by input.

    A near-constant input would be blown up: it is not divided by its own std, and `notes` names it. Pixels have one
    unit, so the others say what is little. Elsewhere, as in a table, each input has a unit of its own, and only itself
    to be compared with.
    """

    wide = True

    def fit(self, stream: Callable[[], Iterator[Tensor]], schema: Schema) -> None:
        moments = self.measure(stream, schema)
        std = moments.variance.sqrt()
        typical = moments.variance.mean().sqrt()
        if typical == 0:
            raise SparsightError("the data cannot be standardised: all samples are equal")
        own = ROUNDING * torch.maximum(moments.low.abs(), moments.high.abs())
        flat = (std == 0) | (std < (own if schema.shape is None else CONSTANT * typical))
        if flat.any():
            where = flat.nonzero().squeeze(1).tolist()
            said = ", ".join(schema.names[j] if schema.names else str(j) for j in where[:5])
            more = ", ..." if len(where) > 5 else ""
            self.notes = (
                f"standardise: {len(where)} near-constant inputs are centred but not divided by their own spread "
                f"({said}{more})",
            )
        self.shift.copy_(moments.mean)
        self.spread.copy_(torch.where(flat, 1.0 if schema.shape is None else typical, std))
