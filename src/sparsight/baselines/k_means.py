"""Clusters."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from sparsight.baselines._baseline import Baseline
from sparsight.spec import register


@register("baseline", "k_means")
class KMeans(Baseline):
    """One code of 1, that of the nearest centre: an L0 of 1, whatever k is, by scikit-learn's KMeans (Lloyd 1957)."""

    def __init__(
        self,
        *,
        samples: Annotated[int, Field(ge=1)] = 5_000,
        iterations: Annotated[int, Field(ge=1)] = 20,
    ) -> None:
        self.samples, self.iterations = samples, iterations

    def fit(self, x: Tensor, n_latents: int) -> None:
        from sklearn import cluster

        # scikit-learn has no types, and guessed ones are wrong
        model = cluster.KMeans(
            min(n_latents, len(x)),
            n_init=1,  # type: ignore[arg-type]
            max_iter=self.iterations,
            random_state=0,
        )
        self.atoms = torch.from_numpy(model.fit(x.numpy()).cluster_centers_)
        self.offset = x.new_zeros(x.shape[1])

    def encode(self, x: Tensor, k: int) -> Tensor:
        nearest = torch.cdist(x, self.atoms).argmin(1)
        return torch.nn.functional.one_hot(nearest, len(self.atoms)).to(x)
