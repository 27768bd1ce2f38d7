import pytest
import torch
from torch import Tensor

from sparsight.core import Preprocess, Schema
from sparsight.errors import SparsightError
from sparsight.preprocess.per_sample import NormaliseContrast, RemoveMean


def fitted(part: Preprocess, x: Tensor) -> Preprocess:
    part.setup(x.shape[1])
    part.fit(lambda: iter(x.split(7)), Schema(n_inputs=x.shape[1]))
    return part


def patches(n: int = 50) -> Tensor:
    dice = torch.Generator().manual_seed(0)
    return torch.rand(n, 9, generator=dice) * torch.rand(n, 1, generator=dice) + torch.rand(n, 1, generator=dice)


def test_the_mean_of_every_sample_is_taken_out_and_put_back() -> None:
    x = patches()
    part = fitted(RemoveMean(), x)
    torch.testing.assert_close(part(x), x - x.mean(1, keepdim=True))
    torch.testing.assert_close(part.restore(part(x), x), x)
    torch.testing.assert_close(part.inverse(part(x)).mean(1), x.mean().expand(50))


def test_a_constant_sample_has_nothing_left() -> None:
    x = patches()
    x[3] = 0.7
    assert fitted(RemoveMean(), x)(x)[3].abs().max() < 1e-6


def test_contrast_is_the_deviation_within_the_sample_above_a_floor() -> None:
    x = patches()
    part = fitted(NormaliseContrast(floor=0.25), x)
    variance = x.var(1, correction=0)
    contrast = (variance + 0.25 * variance.mean()).sqrt()
    torch.testing.assert_close(part(x), x / contrast[:, None])
    torch.testing.assert_close(part.restore(part(x), x), x)
    torch.testing.assert_close(part.inverse(torch.ones(1, 9)), contrast.mean().expand(1, 9))


def test_flat_patches_stay_flatter_than_others() -> None:
    x = patches() - 0.5
    x[0] = 1e-3 * x[0]
    x[1] = 0.25
    y = fitted(NormaliseContrast(), x)(x)
    deviation = y.std(1)
    assert deviation[0] < 0.05 * deviation[2:].median()
    assert y.isfinite().all() and deviation[1] < 1e-6


def test_constant_samples_alone_have_no_contrast() -> None:
    with pytest.raises(SparsightError, match="every sample is constant"):
        fitted(NormaliseContrast(), torch.rand(20, 1).expand(20, 9))
