"""The mean, whatever the sample."""

from torch import Tensor

from sparsight.baselines._baseline import Baseline
from sparsight.spec import register


@register("baseline", "mean")
class Mean(Baseline):
    """One atom, the mean of the samples, with a code of 1: it explains no variance."""

    null = True
    samples = 10_000

    def __init__(self) -> None: ...

    def fit(self, x: Tensor, n_latents: int) -> None:
        self.atoms, self.offset = x.mean(0, keepdim=True), x.new_zeros(x.shape[1])

    def encode(self, x: Tensor, k: int) -> Tensor:
        return x.new_ones(len(x), 1)
