"""The largest codes of a batch."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from sparsight.activations.topk import check_k, default_k
from sparsight.core import Activation, Codes, Sizes
from sparsight.distributed import World
from sparsight.kernels.selection import above, just_below, largest


class BatchTopK(Activation):
    """codes = pre where it is positive and among the k · B largest of the batch (k · B rounded), 0 elsewhere.

    In evaluation a sample's codes are its own: pre where it is above `threshold`, a moving average of where the batches
    of training were cut. Before any training, the k largest of each sample, rectified.

    Codes that are equal to the smallest one that is kept are kept too, so that no order of the samples matters.

    Args:
        k: how many codes a sample keeps on average, not always a whole number; None: √D, and at most a quarter of the
            features.
        memory: the share of the past in the moving average.
    """

    selects = True
    joint = True
    cut: float | None = None
    threshold: Tensor  # scalar, NaN until it is learnt

    def __init__(self, *, k: float | None, memory: float = 0.9) -> None:
        super().__init__()
        self.asked, self.memory = k, memory
        self.latest = 0.0
        """Where the latest batch was cut; a guess at the next, which costs time where it is wrong and nothing else."""

    def setup(self, sizes: Sizes) -> None:
        check_k(sizes, k=self.asked)
        self.k = self.asked or default_k(sizes)
        self.register_buffer("threshold", torch.tensor(torch.nan))

    def common_cut(self, pres: Callable[[], Iterator[Tensor]], size: int, world: World) -> float:
        n = max(1, round(self.k * size))
        for guess in dict.fromkeys((0.9 * self.latest, 0.0)):
            mine = torch.cat([largest(above(pre, guess).values, n) for pre in pres()])
            found = world.concatenate(largest(mine, n))
            if len(found) >= n:
                return max(0.0, just_below(largest(found, n).min().item(), found))
        return 0.0

    def learn(self) -> None:
        now = self.threshold.new_tensor(self.latest)
        self.threshold.copy_(now if self.threshold.isnan() else now.lerp(self.threshold, self.memory))

    def kinks(self, pre: Tensor) -> Tensor:
        return (pre - (0.0 if self.cut is None else self.cut)).abs()

    def bar(self, codes: Codes, features: Tensor) -> Tensor:
        return codes.values.new_tensor(self.latest)

    def choose(self, pre: Tensor) -> Codes:
        if self.training:
            cut = self.cut if self.cut is not None else self.common_cut(lambda: iter([pre]), len(pre), World())
            self.latest = cut
            return above(pre, cut)
        if self.threshold.isnan():
            values, index = pre.topk(max(1, round(self.k)), dim=1)
            return Codes.fixed(values, index, pre.shape[1])
        return above(pre, self.threshold.item())

    def at(self, chosen: Codes) -> Codes:
        return chosen.map(torch.relu)
