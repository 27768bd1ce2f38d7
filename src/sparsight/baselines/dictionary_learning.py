"""Online dictionary learning."""

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from sparsight.baselines._baseline import Baseline
from sparsight.spec import register

BATCH = 64


@register("baseline", "dictionary_learning")
class DictionaryLearning(Baseline):
    """Atoms for lasso codes, by scikit-learn's MiniBatchDictionaryLearning, each sample seen once.

    Samples are scaled to a mean square length of 1, and the lasso's weight is 1.2 / √D (Mairal et al. 2009).
    """

    def __init__(self, *, samples: Annotated[int, Field(ge=1)] = 5_000) -> None:
        self.samples = samples

    def fit(self, x: Tensor, n_latents: int) -> None:
        from sklearn.decomposition import MiniBatchDictionaryLearning

        self.offset = x.mean(0)
        centred = x - self.offset
        length = centred.square().sum(1).mean().sqrt()
        model = MiniBatchDictionaryLearning(
            n_latents,
            alpha=1.2 / math.sqrt(x.shape[1]),  # type: ignore[arg-type]
            max_iter=1,
            batch_size=min(BATCH, len(x)),
            fit_algorithm="cd",
            random_state=0,
        )
        rows = (centred / torch.where(length > 0, length, 1.0)).numpy()
        self.atoms = torch.from_numpy(model.fit(rows).components_)
