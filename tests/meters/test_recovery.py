"""How much of a known dictionary was learned."""

from itertools import permutations

import pytest
import torch
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import f1_score, roc_auc_score
from sklearn.metrics.pairwise import cosine_similarity
from toys import toy_source

from sparsight.core import SAE, Source
from sparsight.errors import SparsightError
from sparsight.meters import recovery as module
from sparsight.meters.recovery import agreement, best, pairs, recovered, recovery
from sparsight.spec import build


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
    assert agreement(truth, learned)["matched"] == pytest.approx(most / 4)


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
    same = agreement(truth, 3 * truth.flip(0))
    assert {same[name] for name in ("truth_to_learned", "learned_to_truth", "found", "matched", "unique")} == {1.0}
    # two copies of one atom, one half way between two others, and one of zeros
    learned = torch.tensor([[1.0, 0, 0, 0], [2.0, 0, 0, 0], [0, 1.0, 1.0, 0], [0, 0, 0, 0]])
    found = agreement(truth, learned)
    half = 0.5**0.5
    assert found["truth_to_learned"] == pytest.approx((1 + half + half + 0) / 4)
    assert found["learned_to_truth"] == pytest.approx((1 + 1 + half + 0) / 4)
    assert found["found"] == 0.25
    assert found["matched"] == pytest.approx((1 + half) / 4)
    assert found["unique"] == pytest.approx(0.25)


def test_a_large_random_dictionary_has_a_null_that_says_so() -> None:
    figures = agreement(rows(50, 0, 4), rows(2_000, 1, 4))
    assert figures["truth_to_learned"] == pytest.approx(figures["null.truth_to_learned"], abs=0.01)
    assert figures["found"] == figures["null.found"] == 1.0, "2,000 directions are near everything in 4 dimensions"


def test_dictionaries_of_different_widths_are_refused() -> None:
    with pytest.raises(SparsightError, match=r"\(3, 6\) and \(3, 5\) cannot be compared"):
        agreement(rows(3, 0), rows(3, 0, 5))


def knowing(source: Source) -> SAE:
    """A model whose decoder holds the truth, twice as long, among random rows."""
    truth = source.truth()
    assert truth is not None
    sae = SAE(source.schema, len(truth) + 5, build("architecture", "relu_l1")).eval()
    with torch.no_grad():
        sae.W_dec.copy_(torch.cat([rows(5, 3, truth.shape[1]), 2 * truth.flip(0)]))
        sae.W_enc.copy_(sae.W_dec)
        sae.b_enc.fill_(-0.5)
        sae.b_dec.zero_()
    return sae


def test_what_became_of_each_true_feature() -> None:
    source = build("source", {"name": "synthetic", "width": 40, "n_atoms": 6, "active": 1.0, "n_samples": 1_500})
    sae = knowing(source)
    found = recovery(sae, source)
    assert [row["feature"] for row in found] == [10, 9, 8, 7, 6, 5]
    codes = sae.transform(source.gather(torch.arange(1_500))).dense().detach()
    there = (source.codes(torch.arange(1_500)).dense() > 0).numpy()
    for atom, row in enumerate(found):
        assert row["cosine"] == pytest.approx(1, abs=1e-6)
        assert row["null.cosine"] < 0.6
        assert row["f1"] == pytest.approx(f1_score(there[:, atom], codes[:, 10 - atom] > 0))
        assert row["auc"] == pytest.approx(roc_auc_score(there[:, atom], codes[:, 10 - atom]))
        assert row["f1"] > 0.65 > 0.4 > row["null.f1"]
    figures = recovered(sae, source)
    assert figures["found"] == figures["truth_to_learned"] == pytest.approx(1)
    assert figures["f1"] == pytest.approx(sum(row["f1"] for row in found) / 6)
    assert figures["null.found"] == 0


def test_nothing_is_known_of_other_data() -> None:
    source = toy_source(8)
    sae = SAE(source.schema, 4, build("architecture", "relu_l1"))
    assert recovered(sae, source) == {}
    with pytest.raises(SparsightError, match=r"give a synthetic source, or plant\(source\)"):
        recovery(sae, source)
    with pytest.raises(SparsightError, match="what the samples of arrays are made of is not known"):
        source.codes(torch.arange(2))
