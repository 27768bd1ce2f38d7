"""Null data keep what they should, and nothing else."""

import pytest
import torch
from torch import Tensor

from sparsight.claims._nulls import gaussian, scrambled, shuffled


def skewed(n: int = 4_000) -> Tensor:
    """Correlated, and far from normal."""
    dice = torch.Generator().manual_seed(0)
    return torch.rand(n, 6, generator=dice).pow(4) @ torch.randn(6, 6, generator=dice)


def skew(x: Tensor) -> float:
    z = (x - x.mean(0)) / x.std(0)
    return float(z.pow(3).mean(0).abs().max())


def test_gaussian_data_have_mean_and_covariance_and_no_skew() -> None:
    x = skewed()
    drawn = gaussian(x, 20_000, 0)
    torch.testing.assert_close(drawn.mean(0), x.mean(0), atol=0.03, rtol=0.03)
    torch.testing.assert_close(drawn.T.cov(), x.T.cov(), atol=0.02, rtol=0.06)
    assert skew(x) > 0.5 > 10 * skew(drawn) / 2
    assert not torch.equal(drawn, gaussian(x, 20_000, 1))
    assert torch.equal(drawn, gaussian(x, 20_000, 0))


def test_shuffled_columns_are_those_of_the_data_and_independent() -> None:
    x = skewed()
    mixed = shuffled(x)
    assert torch.equal(mixed.sort(0).values, x.sort(0).values)
    assert float((x.T.corrcoef() - torch.eye(6)).abs().max()) > 0.3
    assert float((mixed.T.corrcoef() - torch.eye(6)).abs().max()) < 0.06


@pytest.mark.parametrize("shape", [(6, 8), (5, 7, 3)])
def test_scrambled_pictures_keep_their_amplitudes_and_lose_their_phases(shape: tuple[int, ...]) -> None:
    height, width, channels = (*shape, 1)[:3]
    x = torch.rand(50, height * width * channels, generator=torch.Generator().manual_seed(1))
    mixed = scrambled(x, shape)

    def amplitudes(rows: Tensor) -> Tensor:
        return torch.fft.fft2(rows.view(50, height, width, channels), dim=(1, 2)).abs()

    torch.testing.assert_close(amplitudes(mixed), amplitudes(x), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(mixed.mean(1), x.mean(1))
    assert not torch.allclose(mixed, x, atol=0.1)
