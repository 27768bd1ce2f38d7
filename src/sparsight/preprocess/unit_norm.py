"""Samples of length one."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from sparsight.core import Preprocess, Schema
from sparsight.errors import SparsightError
from sparsight.spec import register


@register("preprocess", "unit_norm")
class UnitNorm(Preprocess):
    """x = raw / ‖raw‖, sample by sample; a sample of zeros stays as it is.

    The lengths are lost: `inverse` gives every sample the mean length of the training data, `restore` its own.

    Raises:
        SparsightError: all samples are zero.
    """

    length: Tensor  # scalar

    def __init__(self) -> None:
        super().__init__()

    def setup(self, n_inputs: int) -> None:
        self.register_buffer("length", torch.ones(()))

    def fit(self, stream: Callable[[], Iterator[Tensor]], schema: Schema) -> None:
        total, count = 0.0, 0
        for rows in stream():
            total += float(rows.double().norm(dim=1).sum())
            count += len(rows)
        if total == 0:
            raise SparsightError("the data cannot be given unit norm: every sample is zero")
        self.length.fill_(total / count)

    def forward(self, x: Tensor) -> Tensor:
        length = x.norm(dim=1, keepdim=True)
        return x / torch.where(length > 0, length, 1)

    def inverse(self, x: Tensor) -> Tensor:
        return x * self.length

    def restore(self, x: Tensor, raw: Tensor) -> Tensor:
        return x * raw.norm(dim=1, keepdim=True)

    def filters_in_raw_units(self, W_enc: Tensor) -> Tensor:
        return W_enc / self.length

    def rows_in_raw_units(self, W_dec: Tensor) -> Tensor:
        return W_dec * self.length
