"""The k largest codes of each sample."""

import torch
from torch import Tensor

from sparsight.core import Activation, Batch, Codes, Sizes
from sparsight.errors import SparsightError


def check_k(sizes: Sizes, **asked: float | None) -> None:
    """Refuse to keep more features than there are."""
    for name, k in asked.items():
        if k is not None and k > sizes.n_latents:
            raise SparsightError(f"{name} is {k:g} but there are only {sizes.n_latents} features: ask for fewer")


def default_k(sizes: Sizes) -> int:
    """√D, and at most a quarter of the features."""
    return max(1, min(round(sizes.n_inputs**0.5), sizes.n_latents // 4))


class TopK(Activation):
    """codes = max(pre, 0) at the k largest pre-activations of each sample, 0 elsewhere.

    Args:
        k: how many codes a sample keeps; None: √D, and at most a quarter of the features.
        k_start: in training, k falls linearly from this to `k`; None: it does not.
        anneal: the part of the training over which it falls.
        k_eval: how many a sample keeps in evaluation; None: k.
    """

    selects = True

    def __init__(
        self, *, k: int | None, k_start: int | None = None, anneal: float = 0.5, k_eval: int | None = None
    ) -> None:
        super().__init__()
        self.asked, self.k_start, self.anneal, self.k_eval = k, k_start, anneal, k_eval

    def setup(self, sizes: Sizes) -> None:
        check_k(sizes, k=self.asked, k_start=self.k_start, k_eval=self.k_eval)
        self.k = self.asked or default_k(sizes)
        self.k_now = self.k_start or self.k

    def advance(self, progress: float, batch: Batch, seed: int) -> None:
        left = max(0.0, 1 - progress / self.anneal)
        self.k_now = round(self.k + left * ((self.k_start or self.k) - self.k))

    def bar(self, codes: Codes, features: Tensor) -> Tensor:
        return codes.least()[:, None]

    def choose(self, pre: Tensor) -> Codes:
        values, index = pre.topk(self.k_now if self.training else self.k_eval or self.k, dim=1, sorted=False)
        return Codes.fixed(values, index, pre.shape[1])

    def at(self, chosen: Codes) -> Codes:
        return chosen.map(torch.relu)
