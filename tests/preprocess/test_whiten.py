import pytest
import torch
from torch import Tensor

from sparsight.core import Chain, Preprocess, Schema
from sparsight.errors import SparsightError
from sparsight.preprocess.per_sample import RemoveMean
from sparsight.preprocess.whiten import PCAWhiten, ZCAWhiten

BOTH = pytest.mark.parametrize("kind", [PCAWhiten, ZCAWhiten])


def fitted(part: Preprocess, x: Tensor) -> Preprocess:
    part.setup(x.shape[1])
    part.fit(lambda: iter(x.split(7)), Schema(n_inputs=x.shape[1]))
    return part


def correlated(n: int = 500, width: int = 6) -> Tensor:
    dice = torch.Generator().manual_seed(0)
    mixing = torch.randn(width, width, generator=dice) * 2.0 ** -torch.arange(width)[:, None]
    return torch.randn(n, width, generator=dice) @ mixing + 3


def covariance(x: Tensor) -> Tensor:
    return torch.cov(x.T.double(), correction=0).float()


@BOTH
def test_without_a_regulariser_inputs_are_uncorrelated_and_of_one_variance(kind: type) -> None:
    x = correlated()
    y = fitted(kind(regulariser=0.0), x)(x)
    torch.testing.assert_close(covariance(y), torch.eye(6), rtol=0, atol=1e-3)
    torch.testing.assert_close(y.mean(0), torch.zeros(6), rtol=0, atol=1e-4)


@BOTH
def test_the_regulariser_is_a_share_of_the_mean_variance(kind: type) -> None:
    x = correlated()
    values = torch.linalg.eigvalsh(covariance(x).double()).flip(0)
    y = fitted(kind(regulariser=0.1), x)(x)
    wanted = values / (values + 0.1 * values.mean())
    found = torch.linalg.eigvalsh(covariance(y).double()).flip(0)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_principal_components_come_in_order_and_zca_leaves_samples_nearest_to_what_they_were() -> None:
    x = correlated()
    vectors = torch.linalg.eigh(covariance(x).double()).eigenvectors.float().flip(1)
    pca, zca = (fitted(kind(regulariser=0.0), x)(x) for kind in (PCAWhiten, ZCAWhiten))
    components = (x - x.mean(0)) @ vectors
    scaled = components / components.std(0, correction=0)
    torch.testing.assert_close(pca.abs(), scaled.abs(), rtol=1e-3, atol=1e-3)
    centred = x - x.mean(0)
    assert (zca - centred).square().sum() < (pca - centred).square().sum()
    there = fitted(ZCAWhiten(regulariser=0.0), x).get_buffer("there")
    torch.testing.assert_close(there, there.T)  # of all whitening matrices the symmetric one is the nearest


@BOTH
def test_what_is_left_out_is_at_its_mean_and_said(kind: type) -> None:
    x = correlated()
    part = fitted(kind(components=2), x)
    vectors = torch.linalg.eigh(covariance(x).double()).eigenvectors.float().flip(1)[:, :2]
    wanted = (x - x.mean(0)) @ vectors @ vectors.T + x.mean(0)
    torch.testing.assert_close(part.inverse(part(x)), wanted, rtol=1e-3, atol=1e-3)
    assert part.notes[0].startswith("whitening keeps 2 of 6 components, ")
    assert int((part(x).abs().amax(0) > 0).sum()) == (2 if kind is PCAWhiten else 6)


@BOTH
def test_a_share_of_the_variance_takes_as_few_components_as_have_it(kind: type) -> None:
    x = correlated()
    values = torch.linalg.eigvalsh(covariance(x).double()).flip(0)
    shares = values.cumsum(0) / values.sum()
    share = float(shares[1] + shares[2]) / 2
    assert fitted(kind(share=share), x).notes[0].startswith("whitening keeps 3 of 6 components")
    assert not fitted(kind(), x).notes


@BOTH
@pytest.mark.parametrize("regulariser", [0.0, 0.01])
def test_what_does_not_vary_is_left_out_and_kept_by_the_inverse(kind: type, regulariser: float) -> None:
    x = correlated()
    x[:, 2] = 0.1
    part = fitted(kind(regulariser=regulariser), x)
    y = part(x)
    assert y.isfinite().all()
    assert float(y.var(0).max()) < 2
    torch.testing.assert_close(part.inverse(y), x, rtol=1e-3, atol=1e-3)
    assert part.notes[0].startswith("whitening keeps 5 of 6 components, 100.00% of the variance")


@BOTH
def test_brightness_that_was_removed_is_no_component(kind: type) -> None:
    x = correlated()
    chain = Chain([RemoveMean(), kind(regulariser=0.0)])
    chain.setup(6)
    chain.fit(lambda: iter(x.split(100)), Schema(n_inputs=6))
    assert chain(x).var(0).max() < 1.1
    torch.testing.assert_close(chain.restore(chain(x), x), x, rtol=1e-3, atol=1e-3)
    filters = chain.filters_in_raw_units(torch.eye(6))
    torch.testing.assert_close(filters.sum(1), torch.zeros(6), rtol=0, atol=1e-3)


@BOTH
def test_equal_samples_cannot_be_whitened(kind: type) -> None:
    with pytest.raises(SparsightError, match="the data cannot be whitened: all samples are equal"):
        fitted(kind(), torch.ones(20, 6))
