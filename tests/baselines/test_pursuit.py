import numpy as np
import torch
from sklearn.linear_model import orthogonal_mp
from toys import dictionary, samples

from sparsight.baselines._pursuit import pursue, pursue_positive

ATOMS = dictionary().double()


def error(codes: torch.Tensor, atoms: torch.Tensor, x: torch.Tensor) -> float:
    return float((x - codes @ atoms).square().sum())


def test_it_is_orthogonal_matching_pursuit() -> None:
    x = torch.randn(64, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    lengths = torch.linspace(0.5, 3, 20, dtype=torch.float64)[:, None]
    for k in (1, 3, 8):
        theirs = np.asarray(orthogonal_mp(ATOMS.T.numpy(), x.T.numpy(), n_nonzero_coefs=k)).T
        np.testing.assert_allclose(pursue(x, ATOMS, k).numpy(), theirs, atol=1e-8)
        np.testing.assert_allclose(pursue(x, ATOMS * lengths, k).numpy() * lengths.T.numpy(), theirs, atol=1e-8)


def test_on_orthogonal_atoms_the_largest_codes_are_kept() -> None:
    x = samples(32).double()
    found = pursue(x, torch.eye(16, dtype=torch.float64), 3)
    kept = x.abs().topk(3, dim=1)
    torch.testing.assert_close(found, torch.zeros_like(x).scatter(1, kept.indices, x.gather(1, kept.indices)))


def test_a_sample_that_is_rebuilt_takes_no_more_atoms_and_zeros_take_none() -> None:
    x = torch.stack([2 * ATOMS[3], torch.zeros(16, dtype=torch.float64), ATOMS[1]])
    assert (pursue(x, ATOMS, 5) != 0).sum(1).tolist() == [1, 0, 1]
    assert not pursue(x, torch.zeros(20, 16, dtype=torch.float64), 5).any()


def test_equal_atoms_do_no_harm() -> None:
    atoms = torch.cat([ATOMS, ATOMS])
    x = samples(64).double()
    assert error(pursue(x, atoms, 6), atoms, x) <= error(pursue(x, ATOMS, 6), ATOMS, x) + 1e-6


def test_all_atoms_are_least_squares() -> None:
    x = samples(64).double()
    best = torch.linalg.lstsq(ATOMS[:5].T, x.T).solution.T
    torch.testing.assert_close(pursue(x, ATOMS[:5], 5), best)
    assert pursue(x, ATOMS[:5], 9).shape == (64, 5)


def test_positive_codes_are_positive_sparse_and_refitted() -> None:
    x = samples(128).double()
    found = pursue_positive(x, ATOMS, 4)
    assert found.min() >= 0
    assert (found != 0).sum(1).max() <= 4
    every = pursue_positive(x, ATOMS, 20)
    cut = torch.zeros_like(every).scatter(1, found.topk(4).indices, every.gather(1, found.topk(4).indices))
    assert error(found, ATOMS, x) < error(cut, ATOMS, x)
    assert error(found, ATOMS, x) < 0.2 * float(x.square().sum())
