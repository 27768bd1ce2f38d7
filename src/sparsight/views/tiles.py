"""Filters and samples as bytes, for pages that paint them themselves."""

import numpy as np
import torch
from torch import Tensor

from sparsight.core import SAE, Source
from sparsight.meters.shape import white_noise
from sparsight.views.features import levels, little

NULLS = 256
"""Filters of white noise; feature j is shown beside number j mod 256."""


def filters(sae: SAE, of: str, features: Tensor) -> Tensor:
    """`encoder` filters, `decoder` rows or their `null` in raw units, [n, D]; no other feature is looked at."""
    if of == "null":
        return white_noise(min(NULLS, sae.n_latents), sae.n_inputs)[features % NULLS]
    return sae.filters(features)[of]


def of_filters(weights: Tensor) -> bytes:
    """Weights [n, D] as float32 peaks [n], then int8 [n, D]: weight = byte / 127 · the filter's peak."""
    peaks, bytes_ = levels(weights.nan_to_num(0.0, 0.0, 0.0))
    return little(peaks.numpy()) + bytes_.numpy().tobytes()


def of_samples(source: Source, ids: Tensor) -> bytes:
    """Samples [n, D] as float32 lowest and highest value of each, [n, 2], then uint8 [n, D] from the one to the other.

    Pictures of one data set are shown alike: where samples have a geometry, lowest and highest are those of all n.
    """
    raw = source.gather(ids).float()
    low, high = raw.amin(1, keepdim=True), raw.amax(1, keepdim=True)
    if source.schema.shape is not None and len(raw):
        low, high = low.amin().expand_as(low), high.amax().expand_as(high)
    shades = (255 * (raw - low) / (high - low).clamp_min(1e-12)).round().to(torch.uint8)
    return little(torch.cat([low, high], 1).numpy()) + shades.numpy().tobytes()


def column(values: np.ndarray) -> bytes:
    """A column of the atlas as float32, [F], NaN where there is nothing."""
    return little(values)
