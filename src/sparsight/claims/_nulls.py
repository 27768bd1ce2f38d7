"""Data that hold nothing but what is said of them, made like the samples of a run."""

from collections.abc import Callable

import torch
from torch import Tensor

from sparsight.baselines.pca import principal
from sparsight.claims._case import Case, Given
from sparsight.core import SAE, Source, generator

WIDEST = 4_096
"""Inputs up to which a covariance is taken apart."""
GAUSSIANS, SEEDS = 2, 2
"""Draws of Gaussian data, and trainings on each kind of data."""
_PURPOSE = 41


def gaussian(x: Tensor, n: int, draw: int) -> Tensor:
    """n samples of a normal distribution with mean and covariance of x, [n, D]."""
    mean, directions, variances = principal(x.double(), x.shape[1])
    dice = torch.randn(n, len(variances), generator=generator(_PURPOSE, draw), dtype=torch.float64)
    return (mean + dice * variances.clamp_min(0).sqrt() @ directions).float()


def shuffled(x: Tensor) -> Tensor:
    """Each column of x, [n, D], permuted over samples on its own: inputs keep what they are and lose each other."""
    return torch.gather(x, 0, torch.rand(x.shape, generator=generator(_PURPOSE, 100)).argsort(0))


def scrambled(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Pictures with their own amplitudes and random phases, the same for all channels of one, [n, D].

    The phases are those of white noise, so that pictures stay real, and the mean of each picture stays.
    """
    pictures = x.unflatten(1, (*shape[:2], -1))
    noise = torch.randn(*pictures.shape[:3], 1, generator=generator(_PURPOSE, 200))
    phase = torch.fft.fft2(noise, dim=(1, 2))
    phase = phase / phase.abs().clamp_min(1e-30)
    phase[:, 0, 0] = 1
    return torch.fft.ifft2(torch.fft.fft2(pictures, dim=(1, 2)) * phase, dim=(1, 2)).real.flatten(1)


def kinds(case: Case) -> dict[str, Callable[[], Source]]:
    """The null data that can be made like a run's samples, by name. Outputs that have bounds get data within them."""
    shape, wide = case.training.schema.shape, case.training.schema.n_inputs > WIDEST

    def made(make: Callable[[], Tensor]) -> Callable[[], Source]:
        return lambda: Given(_bounded(case, make()), case.training.schema)

    found = {}
    if not wide:
        for draw in range(GAUSSIANS):
            found[f"gaussian-{draw}"] = made(lambda draw=draw: gaussian(case.rows, len(case.rows), draw))
    found["shuffled"] = made(lambda: shuffled(case.rows))
    if shape is not None:
        found["scrambled"] = made(lambda: scrambled(case.rows, shape))
    return found


def unseen(case: Case) -> Tensor:
    """Gaussian samples that no model was trained on, as many as figures rest on."""
    return _bounded(case, gaussian(case.rows, len(case.test), GAUSSIANS))


def models(case: Case) -> dict[str, list[SAE]]:
    """The run's recipe, trained on each kind of null data."""
    return {name: case.models(name, make, SEEDS) for name, make in kinds(case).items()}


def trainings(case: Case) -> dict[str, int]:
    return dict.fromkeys(kinds(case), SEEDS)


def _bounded(case: Case, x: Tensor) -> Tensor:
    if case.sae.output == "identity":
        return x
    x = x.clamp(float(case.rows.min()), float(case.rows.max()))
    return x / x.sum(1, keepdim=True).clamp_min(1e-12) if case.sae.output == "softmax" else x
