"""The largest code of each group of features."""

import torch
from torch import Tensor

from sparsight.core import Activation, Codes, Sizes
from sparsight.errors import SparsightError


class GroupMax(Activation):
    """codes = max(pre, 0) at the largest pre-activation of each group of F / k neighbouring features, 0 elsewhere.

    Args:
        k: how many groups there are, and so how many codes a sample keeps; None: the divisor of F nearest to √D,
            and at most a quarter of the features.
    """

    selects = True

    def __init__(self, *, k: int | None) -> None:
        super().__init__()
        self.asked = k

    def setup(self, sizes: Sizes) -> None:
        n = sizes.n_latents
        divisors = [k for k in range(1, n + 1) if n % k == 0]
        few = [k for k in divisors if k <= max(1, n // 4)]
        self.k = self.asked or min(few, key=lambda k: abs(k - sizes.n_inputs**0.5))
        if self.k not in divisors:
            near = sorted(sorted(divisors, key=lambda k: abs(k - self.k))[:2])
            raise SparsightError(
                f"k is {self.k}, and {n} features cannot be shared out to so many groups of one size: "
                f"take k = {' or '.join(map(str, near))}, or another n_latents"
            )

    def bar(self, codes: Codes, features: Tensor) -> Tensor:
        of_groups = codes.values.view(len(codes), self.k)
        return of_groups[:, features // (codes.n_latents // self.k)]

    def choose(self, pre: Tensor) -> Codes:
        values, place = pre.unflatten(1, (self.k, -1)).max(2)  # [B, k]
        first = torch.arange(0, pre.shape[1], pre.shape[1] // self.k, device=pre.device)
        return Codes.fixed(values, place + first, pre.shape[1])

    def at(self, chosen: Codes) -> Codes:
        return chosen.map(torch.relu)
