import warnings

import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from toys import samples

from sparsight.baselines._baseline import Baseline
from sparsight.spec import build, names

NAMES = names("baseline")
F, K = 12, 3


def fitted(name: str, x: torch.Tensor, n_latents: int = F) -> Baseline:
    baseline: Baseline = build("baseline", name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        baseline.fit(x, n_latents)
    return baseline


def explained(baseline: Baseline, x: torch.Tensor, k: int = K) -> float:
    rest = (x - baseline.decode(baseline.encode(x, k))).square().sum()
    return 1 - float(rest / (x - x.mean(0)).square().sum())


@pytest.mark.parametrize("name", NAMES)
def test_it_codes_new_samples_with_at_most_k_features(name: str) -> None:
    baseline = fitted(name, samples(512).double())
    x = samples(64, seed=2).double()
    codes = baseline.encode(x, K)
    assert codes.shape == (64, len(baseline.atoms))
    assert codes.isfinite().all() and baseline.atoms.isfinite().all()
    assert (codes != 0).sum(1).max() <= K
    torch.testing.assert_close(baseline.encode(x[:1], K)[0], codes[0])


@pytest.mark.parametrize("name", [name for name in NAMES if not build("baseline", name).null])
def test_what_learns_beats_what_does_not(name: str) -> None:
    x, new = samples(512).double(), samples(256, seed=2).double()
    k = 1 if name == "k_means" else K
    null = explained(fitted("random", x), new, k)
    assert explained(fitted(name, x), new, k) > null > explained(fitted("mean", x), new)


def test_the_mean_explains_nothing() -> None:
    x = samples(512).double()
    assert explained(fitted("mean", x), x) == pytest.approx(0, abs=1e-12)


def test_principal_components_explain_most_where_all_are_kept() -> None:
    x = samples(512).double()
    assert explained(fitted("pca", x), x, F) >= max(explained(fitted(name, x), x, F) for name in NAMES) - 1e-12
    assert len(fitted("pca", x, 40).atoms) == 16


def test_independent_components_are_those_that_made_the_samples() -> None:
    dice = torch.Generator().manual_seed(0)
    sources = torch.rand(2000, 4, generator=dice, dtype=torch.float64) ** 8
    mixing = torch.randn(4, 16, generator=dice, dtype=torch.float64)
    atoms = torch.nn.functional.normalize(fitted("ica", sources @ mixing, 4).atoms, dim=1)
    cosines = (atoms @ torch.nn.functional.normalize(mixing, dim=1).T).abs()
    assert cosines.amax(0).min() > 0.98


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("x", [samples(5).double(), torch.ones(8, 16).double(), torch.zeros(8, 16).double()])
def test_few_and_constant_samples_are_no_trouble(name: str, x: torch.Tensor) -> None:
    baseline = fitted(name, x)
    assert baseline.decode(baseline.encode(x, K)).isfinite().all()


def test_negative_samples_are_refused_by_what_cannot_have_them() -> None:
    x = samples(8).double()
    refusing = [name for name in NAMES if build("baseline", name).refuses(x - 1)]
    assert refusing == ["nmf"]
    assert not any(build("baseline", name).refuses(x) for name in NAMES)
