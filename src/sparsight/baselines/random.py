"""A dictionary that has learned nothing."""

from torch import Tensor

from sparsight.baselines._baseline import Baseline
from sparsight.core import generator
from sparsight.spec import register


@register("baseline", "random")
class Random(Baseline):
    """Atoms of independent normal numbers about the mean of the samples: what k codes of F rebuild by their number."""

    null = True
    samples = 10_000

    def __init__(self) -> None: ...

    def fit(self, x: Tensor, n_latents: int) -> None:
        self.offset = x.mean(0)
        self.atoms = x.new_empty(n_latents, x.shape[1]).normal_(generator=generator(0, 0))
