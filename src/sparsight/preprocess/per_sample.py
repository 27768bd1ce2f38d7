"""Brightness and contrast, sample by sample."""

from collections.abc import Callable, Iterator
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from sparsight.core import Preprocess, Schema
from sparsight.errors import SparsightError
from sparsight.spec import register


@register("preprocess", "remove_mean")
class RemoveMean(Preprocess):
    """x = raw − mean(raw), the mean of each sample over its own inputs: the brightness of a patch is taken out.

    It is known for the sample itself, so `restore` gives it back; `inverse`, which knows no sample, gives all the mean
    over the training data. A constant sample becomes 0. `centre` is another thing: the mean of each input over samples
    (UFLDL, Ng et al. 2011, calls this one per-example mean subtraction).
    """

    level: Tensor  # scalar

    def __init__(self) -> None:
        super().__init__()

    def setup(self, n_inputs: int) -> None:
        self.register_buffer("level", torch.zeros(()))

    def fit(self, stream: Callable[[], Iterator[Tensor]], schema: Schema) -> None:
        total, count = 0.0, 0
        for rows in stream():
            total += float(rows.double().mean(1).sum())
            count += len(rows)
        self.level.fill_(total / count)

    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(1, keepdim=True)

    def inverse(self, x: Tensor) -> Tensor:
        return x + self.level

    def restore(self, x: Tensor, raw: Tensor) -> Tensor:
        return x + raw.mean(1, keepdim=True)

    def filters_in_raw_units(self, W_enc: Tensor) -> Tensor:
        return W_enc - W_enc.mean(1, keepdim=True)

    def rows_in_raw_units(self, W_dec: Tensor) -> Tensor:
        return W_dec


@register("preprocess", "normalise_contrast")
class NormaliseContrast(Preprocess):
    """x = raw / c with c = √(v + floor · E[v]) and v = mean((raw − mean(raw))²) of each sample over its own inputs.

    c is the local contrast of a patch. The floor keeps flat patches flat: without it their noise would be as large as
    the edges of others (Coates, Lee & Ng 2011: √(v + 10) for pixels up to 255). The mean stays in: put `remove_mean`
    before. c is known for the sample itself, so `restore` gives it back; `inverse` gives all the mean over the training
    data.

    Args:
        floor: of v, as a share of its mean over the training data.

    Raises:
        SparsightError: every sample is constant.
    """

    small: Tensor  # scalar, floor · E[v]
    contrast: Tensor  # scalar, E[c]

    def __init__(self, *, floor: Annotated[float, Field(gt=0)] = 0.1) -> None:
        super().__init__()
        self.floor = floor

    def setup(self, n_inputs: int) -> None:
        self.register_buffer("small", torch.zeros(()))
        self.register_buffer("contrast", torch.ones(()))

    def fit(self, stream: Callable[[], Iterator[Tensor]], schema: Schema) -> None:
        def mean(of: Callable[[Tensor], Tensor]) -> float:
            total, count = 0.0, 0
            for rows in stream():
                total += float(of(rows.double()).sum())
                count += len(rows)
            return total / count

        variance = mean(lambda rows: rows.var(1, correction=0))
        if not variance:
            raise SparsightError("the contrast cannot be normalised: every sample is constant")
        self.small.fill_(self.floor * variance)
        self.contrast.fill_(mean(self._of))

    def forward(self, x: Tensor) -> Tensor:
        return x / self._of(x)

    def _of(self, x: Tensor) -> Tensor:
        return (x.var(1, correction=0, keepdim=True) + self.small).sqrt()

    def inverse(self, x: Tensor) -> Tensor:
        return x * self.contrast

    def restore(self, x: Tensor, raw: Tensor) -> Tensor:
        return x * self._of(raw)

    def filters_in_raw_units(self, W_enc: Tensor) -> Tensor:
        return W_enc / self.contrast

    def rows_in_raw_units(self, W_dec: Tensor) -> Tensor:
        return W_dec * self.contrast
