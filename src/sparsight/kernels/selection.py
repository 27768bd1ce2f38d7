"""Which of many pre-activations are the largest."""

import math

import numpy as np
import torch
from torch import Tensor

from sparsight.core import Codes


def above(pre: Tensor, bound: float | Tensor, most: float = 1.0) -> Codes:
    """What is larger than `bound` of [B, F], as ragged codes; NaN too, so that it is seen in the loss.

    NumPy finds it several times faster than torch.

    Args:
        pre: of which.
        bound: one number, or one for each feature, [F].
        most: the share of all places beyond which all of `pre` is given, as it is.
    """
    seen, n_samples, n_latents = pre.detach(), *pre.shape
    if seen.device.type == "cpu":
        larger = ~(seen.numpy() <= (bound.detach().numpy() if isinstance(bound, Tensor) else bound))
        if most < 1 and np.count_nonzero(larger) > most * larger.size:
            return Codes(pre, n_latents)
        at = torch.from_numpy(np.flatnonzero(larger))
    else:
        larger = ~(seen <= bound)
        if most < 1 and int(larger.count_nonzero()) > most * larger.numel():
            return Codes(pre, n_latents)
        at = larger.flatten().nonzero().squeeze(1)
    ends = torch.arange(n_samples + 1, device=at.device) * n_latents
    return Codes(pre.flatten()[at], n_latents, at % n_latents, torch.searchsorted(at, ends))


def largest(values: Tensor, n: int) -> Tensor:
    """The n largest, in no order, or all where there are no more."""
    if len(values) <= n:
        return values
    if values.device.type == "cpu":  # a partition is several times faster than torch's topk
        return torch.from_numpy(np.partition(values.detach().numpy(), len(values) - n)[-n:].copy())
    return values.topk(n, sorted=False).values


def just_below(value: float, like: Tensor) -> float:
    """The next smaller number of a tensor's type."""
    return float(torch.nextafter(torch.tensor(value, dtype=like.dtype), torch.tensor(-math.inf, dtype=like.dtype)))
