"""Non-negative matrix factorisation."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from sparsight.baselines._baseline import Baseline
from sparsight.baselines._pursuit import pursue_positive
from sparsight.spec import register


@register("baseline", "nmf")
class NMF(Baseline):
    """Atoms and codes without negative values, by scikit-learn's NMF (Lee & Seung 1999)."""

    def __init__(
        self,
        *,
        samples: Annotated[int, Field(ge=1)] = 4_000,
        iterations: Annotated[int, Field(ge=1)] = 20,
    ) -> None:
        self.samples, self.iterations = samples, iterations

    def refuses(self, x: Tensor) -> str | None:
        return "samples have values below 0" if (x < 0).any() else None

    def fit(self, x: Tensor, n_latents: int) -> None:
        from sklearn import decomposition

        # scikit-learn has no types, and guessed ones are wrong
        model = decomposition.NMF(n_latents, init="random", max_iter=self.iterations, random_state=0)  # type: ignore[arg-type]
        self.atoms = torch.from_numpy(model.fit(x.numpy()).components_)
        self.offset = x.new_zeros(x.shape[1])

    def encode(self, x: Tensor, k: int) -> Tensor:
        return pursue_positive(x.clamp_min(0), self.atoms, k)  # new samples may have what those of `fit` had not
