"""Principal components."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from sparsight.baselines._baseline import Baseline
from sparsight.spec import register

RANK = 1e-10
"""Directions with a smaller share of the largest variance hold rounding."""


def principal(x: Tensor, n: int) -> tuple[Tensor, Tensor, Tensor]:
    """The mean [D], up to n directions of largest variance [m, D], at least one, and their variances [m]."""
    mean = x.mean(0)
    variances, directions = torch.linalg.eigh((x - mean).T @ (x - mean) / len(x))
    kept = max(1, min(n, int((variances > RANK * variances[-1]).sum())))
    return mean, directions.T.flip(0)[:kept], variances.flip(0)[:kept]


@register("baseline", "pca")
class PCA(Baseline):
    """Orthogonal directions of largest variance; the k largest codes of each sample (Pearson 1901)."""

    def __init__(self, *, samples: Annotated[int, Field(ge=1)] = 10_000) -> None:
        self.samples = samples

    def fit(self, x: Tensor, n_latents: int) -> None:
        self.offset, self.atoms, _ = principal(x, n_latents)
