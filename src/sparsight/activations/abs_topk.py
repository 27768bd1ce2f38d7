"""The k codes of largest magnitude."""

from torch import Tensor

from sparsight.activations.topk import check_k, default_k
from sparsight.core import Activation, Codes, Sizes


class AbsTopK(Activation):
    """codes = pre at the k pre-activations of each sample that are largest in magnitude, 0 elsewhere.

    Args:
        k: how many codes a sample keeps; None: √D, and at most a quarter of the features.
    """

    bounds = (-float("inf"), float("inf"))
    selects = True

    def __init__(self, *, k: int | None) -> None:
        super().__init__()
        self.asked = k

    def setup(self, sizes: Sizes) -> None:
        check_k(sizes, k=self.asked)
        self.k = self.asked or default_k(sizes)

    def kinks(self, pre: Tensor) -> Tensor:
        return pre.abs().sort(dim=1).values.diff(dim=1).amin(1, keepdim=True).expand_as(pre)

    def bar(self, codes: Codes, features: Tensor) -> Tensor:
        return codes.least()[:, None]

    def choose(self, pre: Tensor) -> Codes:
        index = pre.abs().topk(self.k, dim=1, sorted=False).indices
        return Codes.fixed(pre.gather(1, index), index, pre.shape[1])

    def at(self, chosen: Codes) -> Codes:
        return chosen
