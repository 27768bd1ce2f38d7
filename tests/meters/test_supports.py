"""Whether features fire where what they stand for is there."""

from typing import Any

import pytest
import torch
from sklearn.metrics import f1_score, precision_score, recall_score
from torch import Tensor

from sparsight.core import Codes
from sparsight.errors import SparsightError
from sparsight.meters.supports import Absorption, Supports

NOTHING_IS_0: Any = {"zero_division": 0}


def sparse(n: int, width: int, seed: int, rate: float = 0.3) -> Tensor:
    dice = torch.Generator().manual_seed(seed)
    return (torch.rand(n, width, generator=dice) < rate) * (0.1 + torch.rand(n, width, generator=dice))


def ragged(codes: Tensor) -> Codes:
    keep = codes != 0
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), keep.sum(1).cumsum(0)])
    return Codes(codes[keep], codes.shape[1], keep.nonzero()[:, 1], offsets)


@pytest.mark.parametrize("weighted", [False, True])
def test_f1_is_that_of_scikit_learn(weighted: bool) -> None:
    truth, codes = sparse(200, 3, 0), sparse(200, 5, 1)
    codes[:, 4] += truth[:, 0]
    weight = torch.rand(200, generator=torch.Generator().manual_seed(2)) if weighted else None
    meter = Supports(torch.tensor([0, 1, 2]), torch.tensor([4, 2, -1]))
    meter.update(ragged(truth), ragged(codes), weight)
    true, learned = (truth > 0).numpy(), (codes[:, [4, 2, 0]] > 0).numpy()
    learned[:, 2] = False
    result = meter.result()
    for name, score in (("f1", f1_score), ("precision", precision_score), ("recall", recall_score)):
        each = [score(true[:, n], learned[:, n], sample_weight=weight, **NOTHING_IS_0) for n in range(3)]
        assert result[name] == pytest.approx(sum(each) / 3)
        if name == "f1":
            assert meter.f1.tolist() == pytest.approx(each)


def test_the_null_of_f1_is_what_independent_features_have() -> None:
    meter = Supports(torch.arange(2), torch.arange(2))
    meter.update(Codes(sparse(50_000, 2, 0), 2), Codes(sparse(50_000, 2, 1, 0.1), 2))
    result = meter.result()
    assert result["f1"] == pytest.approx(result["null.f1"], abs=0.01)
    assert result["null.f1"] == pytest.approx(2 * 0.3 * 0.1 / 0.4, abs=0.01)


def test_absorption_is_the_share_of_a_childs_samples_in_which_it_replaces_its_parent() -> None:
    parent = torch.tensor([-1, 0, 0])
    truth = torch.zeros(100, 3)
    truth[:, 0] = 1  # a parent in all samples, with the first child in 40 and the second in 20 others
    truth[:40, 1] = 1
    truth[40:60, 2] = 1
    codes = truth.clone()
    codes[:10, 0] = 0  # absorbed by the first child
    codes[10:14, 0] = 0
    codes[10:14, 1] = 0  # both are silent: that is no absorption
    codes[60:68, 0] = 0  # misses without a child: 8 of 40
    meter = Absorption(torch.arange(3), parent)
    meter.update(ragged(truth), ragged(codes))
    assert meter.rate.tolist() == [0.25, 0.0]
    assert meter.result() == pytest.approx({"absorption": 0.125, "null.absorption": 0.2})


def test_labels_without_features_are_left_out() -> None:
    meter = Absorption(torch.tensor([0, -1, 1]), torch.tensor([-1, 0, 0]))
    assert meter.child.tolist() == [2]
    with pytest.raises(SparsightError, match="nothing to be absorbed"):
        Absorption(torch.tensor([0, 1]), torch.tensor([-1, -1]))
    with pytest.raises(SparsightError, match="3 atoms and 2 features"):
        Supports(torch.arange(3), torch.arange(2))
    with pytest.raises(SparsightError, match="5 samples have a known answer and 4"):
        Supports(torch.arange(1), torch.arange(1)).update(ragged(sparse(5, 1, 0)), ragged(sparse(4, 1, 0)))
