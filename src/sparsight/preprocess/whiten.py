"""Whitening: inputs that are uncorrelated and of one variance."""

from collections.abc import Callable, Iterator
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from sparsight.core import Preprocess, Schema
from sparsight.errors import SparsightError
from sparsight.spec import register

ROUNDING = 1e-7
"""A direction does not vary where its variance is below this share of the largest: samples are float32."""
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, le=1)]


class Whiten(Preprocess):
    """x = (raw − mean) M, with Σ = V Λ Vᵀ the covariance of the training data and ε = regulariser · mean(Λ)."""

    mean: Tensor  # [D]
    there: Tensor  # [D, D], M
    back: Tensor  # [D, D], its inverse on what is kept

    def __init__(self, components: int | None, share: float, regulariser: float) -> None:
        super().__init__()
        self.components, self.share, self.regulariser = components, share, regulariser

    def setup(self, n_inputs: int) -> None:
        self.register_buffer("mean", torch.zeros(n_inputs))
        self.register_buffer("there", torch.eye(n_inputs))
        self.register_buffer("back", torch.eye(n_inputs))

    def fit(self, stream: Callable[[], Iterator[Tensor]], schema: Schema) -> None:
        mean, covariance = _covariance(stream, schema.n_inputs)
        values, vectors = torch.linalg.eigh(covariance)
        values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)
        if not values.any():
            raise SparsightError("the data cannot be whitened: all samples are equal")
        kept = self._kept(values)
        scales, vectors = (values[:kept] + self.regulariser * values.mean()).sqrt(), vectors[:, :kept]
        self.mean.copy_(mean)
        self.there.copy_(self._shown(vectors / scales, vectors))
        self.back.copy_(self._shown(vectors * scales, vectors).T)
        if kept < len(values):
            share = float(values[:kept].sum() / values.sum())
            self.notes = (
                f"whitening keeps {kept} of {len(values)} components, {_percent(share)} of the variance; along the "
                "others samples are taken to be at their mean",
            )

    def _kept(self, values: Tensor) -> int:
        """How many components: as many as asked for, and none that does not vary."""
        varies = int((values > ROUNDING * values[0]).sum())
        below = values.cumsum(0) < self.share * values.sum() * (1 - 1e-12)
        enough = min(int(below.sum()) + 1, varies)
        return enough if self.components is None else min(self.components, enough)

    def _shown(self, weights: Tensor, vectors: Tensor) -> Tensor:
        """Weights of components, [D, kept], on the inputs of the model, [D, D]."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) @ self.there

    def inverse(self, x: Tensor) -> Tensor:
        return x @ self.back + self.mean

    def filters_in_raw_units(self, W_enc: Tensor) -> Tensor:
        return W_enc @ self.there.T

    def rows_in_raw_units(self, W_dec: Tensor) -> Tensor:
        return W_dec @ self.back


def _covariance(stream: Callable[[], Iterator[Tensor]], width: int) -> tuple[Tensor, Tensor]:
    """The mean of rows, [D], and their covariance, [D, D], float64, in one pass (Chan, Golub & LeVeque 1979)."""
    n, mean = 0, torch.zeros(width, dtype=torch.float64)
    scatter = torch.zeros(width, width, dtype=torch.float64)
    for rows in stream():
        rows = rows.double()
        own = rows.mean(0)
        apart, rest = own - mean, rows - own
        total = n + len(rows)
        scatter += rest.T @ rest + torch.outer(apart, apart) * (n * len(rows) / total)
        mean += apart * (len(rows) / total)
        n = total
    return mean, scatter / n


def _percent(share: float) -> str:
    """To two digits of what is left out."""
    return f"{share:.2%}" if share > 0.99 else f"{share:.1%}"


@register("preprocess", "pca_whiten")
class PCAWhiten(Whiten):
    """x_j = v_jᵀ (raw − mean) / √(λ_j + ε) for the principal components v_j, variance λ_j, largest first.

    ε = regulariser · mean(λ). Components that are left out are 0 in x, whose width stays D; `inverse` puts samples at
    their mean along them. What the model sees are components then, not pixels; filters are shown in pixels all the
    same.
    Sources: Olshausen & Field 1997; Hyvärinen, Hurri & Hoyer 2009, chapter 5.

    Args:
        components: how many are kept, at most; None: as `share` says.
        share: of the variance, which the components that are kept have at least.
        regulariser: keeps components that hardly vary, which are mostly noise, from being blown up to the size of the
            others; 0 makes all variances 1.

    Raises:
        SparsightError: all samples are equal.
    """

    def __init__(
        self,
        *,
        components: Count | None = None,
        share: Share = 1.0,
        regulariser: Annotated[float, Field(ge=0)] = 0.01,
    ) -> None:
        super().__init__(components, share, regulariser)

    def _shown(self, weights: Tensor, vectors: Tensor) -> Tensor:
        return torch.nn.functional.pad(weights, (0, len(weights) - weights.shape[1]))


@register("preprocess", "zca_whiten")
class ZCAWhiten(Whiten):
    """x = V (Λ + ε)^−½ Vᵀ (raw − mean): of all whitening, what leaves samples nearest to what they were.

    Λ and V are variances and directions of the principal components, ε = regulariser · mean(Λ). So pictures stay
    pictures: each pixel less what its surroundings say of it, which leaves edges (Bell & Sejnowski 1997). Components
    that are left out, those of the highest frequencies, are 0 in x; with them goes the noise that whitening would blow
    up, as by the low-pass filter of Olshausen & Field (1997). ε is that of Coates, Lee & Ng (2011).

    Args:
        components: how many are kept, at most; None: as `share` says.
        share: of the variance, which the components that are kept have at least.
        regulariser: keeps components that hardly vary from being blown up to the size of the others; 0 makes all
            variances 1.

    Raises:
        SparsightError: all samples are equal.
    """

    def __init__(
        self,
        *,
        components: Count | None = None,
        share: Share = 1.0,
        regulariser: Annotated[float, Field(ge=0)] = 0.01,
    ) -> None:
        super().__init__(components, share, regulariser)

    def _shown(self, weights: Tensor, vectors: Tensor) -> Tensor:
        return weights @ vectors.T
