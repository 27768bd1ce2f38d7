"""The largest codes of each feature."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from sparsight.core import Activation, Codes
from sparsight.distributed import World


class WinnerTakeAll(Activation):
    """codes = max(pre, 0) where it is among the largest share of the feature's own in the batch, 0 elsewhere.

    In evaluation codes = max(pre, 0): what a feature has learnt to win is all that it responds to.

    Args:
        share: of the batch, in which each feature may fire; at least one sample.
    """

    joint = True
    cut: Tensor | None = None  # [F]

    def __init__(self, *, share: float) -> None:
        super().__init__()
        self.share = share

    def common_cut(self, pres: Callable[[], Iterator[Tensor]], size: int, world: World) -> Tensor:
        n = max(1, math.ceil(self.share * size))
        best = torch.cat([pre.topk(min(n, len(pre)), dim=0, sorted=False).values for pre in pres()])
        everywhere = world.concatenate(best.topk(min(n, len(best)), dim=0, sorted=False).values)
        return everywhere.topk(n, dim=0, sorted=False).values.amin(0)

    def kinks(self, pre: Tensor) -> Tensor:
        return pre.abs() if self.cut is None else torch.minimum(pre.abs(), (pre - self.cut).abs())

    def forward(self, pre: Tensor) -> Codes:
        codes = pre.relu()
        if self.training:
            with torch.no_grad():
                cut = self.common_cut(lambda: iter([pre]), len(pre), World()) if self.cut is None else self.cut
            codes = codes * (pre >= cut)
        return Codes(codes, pre.shape[1])
