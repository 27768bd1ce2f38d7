"""Independent components."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from sparsight.baselines._baseline import Baseline
from sparsight.baselines.pca import principal
from sparsight.spec import register


@register("baseline", "ica")
class ICA(Baseline):
    """Directions whose codes are as independent as can be, by scikit-learn's FastICA (Hyvärinen 1999).

    Codes are whitened along the principal components first, so there are no more atoms than those.
    """

    def __init__(
        self,
        *,
        samples: Annotated[int, Field(ge=1)] = 5_000,
        iterations: Annotated[int, Field(ge=1)] = 40,
    ) -> None:
        self.samples, self.iterations = samples, iterations

    def fit(self, x: Tensor, n_latents: int) -> None:
        from sklearn.decomposition import FastICA

        self.offset, directions, variances = principal(x, n_latents)
        scale = torch.where(variances > 0, variances, 1.0).sqrt()
        white = (x - self.offset) @ directions.T / scale
        model = FastICA(whiten=False, max_iter=self.iterations, tol=1e-3, random_state=0)  # type: ignore[arg-type]
        turn = torch.from_numpy(model.fit(white.numpy()).components_)  # [m, m], orthogonal: sources = white turnᵀ
        self.atoms = turn * scale @ directions
