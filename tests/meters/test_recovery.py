"""How much of a known dictionary was learned."""

from itertools import permutations

import pytest
import torch
from scipy.optimize import linear_sum_assignment
from sklearn.metrics.pairwise import cosine_similarity

from sparsight.errors import SparsightError
from sparsight.meters import recovery as module
from sparsight.meters.recovery import best, pairs, recovery


def rows(n: int, seed: int, width: int = 6) -> torch.Tensor:
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed))


def test_best_cosines_are_those_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = torch.from_numpy(cosine_similarity(rows(7, 0).double(), rows(9, 1).double()))
    monkeypatch.setattr(module, "BLOCK", 18)  # two rows at once
    values, ids = best(rows(7, 0), rows(9, 1))
    torch.testing.assert_close(values, expected.amax(1), rtol=0, atol=1e-12)
    assert torch.equal(ids, expected.argmax(1))


def test_pairs_share_nothing_and_are_the_best_there_are() -> None:
    truth, learned = rows(4, 0), rows(6, 1)
    atom, feature = pairs(truth, learned)
    cosines = cosine_similarity(truth.double(), learned.double())
    most = max(sum(cosines[j, k] for j, k in enumerate(ks)) for ks in permutations(range(6), 4))
    assert sorted(atom.tolist()) == [0, 1, 2, 3]
    assert len(set(feature.tolist())) == 4
    assert cosines[atom, feature].sum() == pytest.approx(most)
    assert recovery(truth, learned)["matched"] == pytest.approx(most / 4)


def test_pairs_of_large_dictionaries_are_each_others_best(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = rows(30, 0)
    learned = torch.cat([truth[torch.randperm(30, generator=torch.Generator().manual_seed(2))], rows(5, 1)])
    exact = linear_sum_assignment(-cosine_similarity(truth, learned))[1]
    monkeypatch.setattr(module, "PAIRED", 10)
    atom, feature = pairs(truth, learned)
    assert atom.tolist() == list(range(30))
    assert feature.tolist() == exact.tolist()


def test_figures_of_dictionaries_that_are_known() -> None:
    truth = torch.eye(4)
    same = recovery(truth, 3 * truth.flip(0))
    assert {same[name] for name in ("truth_to_learned", "learned_to_truth", "found", "matched", "unique")} == {1.0}
    # two copies of one atom, one half way between two others, and one of zeros
    learned = torch.tensor([[1.0, 0, 0, 0], [2.0, 0, 0, 0], [0, 1.0, 1.0, 0], [0, 0, 0, 0]])
    found = recovery(truth, learned)
    half = 0.5**0.5
    assert found["truth_to_learned"] == pytest.approx((1 + half + half + 0) / 4)
    assert found["learned_to_truth"] == pytest.approx((1 + 1 + half + 0) / 4)
    assert found["found"] == 0.25
    assert found["matched"] == pytest.approx((1 + half) / 4)
    assert found["unique"] == pytest.approx(0.25)


def test_a_large_random_dictionary_has_a_null_that_says_so() -> None:
    figures = recovery(rows(50, 0, 4), rows(2_000, 1, 4))
    assert figures["truth_to_learned"] == pytest.approx(figures["null.truth_to_learned"], abs=0.01)
    assert figures["found"] == figures["null.found"] == 1.0, "2,000 directions are near everything in 4 dimensions"


def test_dictionaries_of_different_widths_are_refused() -> None:
    with pytest.raises(SparsightError, match=r"\(3, 6\) and \(3, 5\) cannot be compared"):
        recovery(rows(3, 0), rows(3, 0, 5))
