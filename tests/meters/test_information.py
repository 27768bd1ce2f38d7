"""What the firing of a feature says of the label."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import mutual_info_score

from sparsight.core import Codes
from sparsight.errors import SparsightError
from sparsight.meters.information import Information


def measured(codes: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor | None = None) -> Information:
    meter = Information(3)
    meter.update(Codes(codes, codes.shape[1]), labels, weight)
    return meter


def test_it_is_that_of_scikit_learn_in_bits() -> None:
    dice = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, (300,), generator=dice)
    codes = (torch.randn(300, 5, generator=dice) + (labels == 1)[:, None] - 0.5).relu()
    codes[:, 4] = 0
    expected = [mutual_info_score(labels, codes[:, j] > 0) / math.log(2) for j in range(5)]
    assert measured(codes, labels).bits.tolist() == pytest.approx(expected, abs=1e-12)
    few = torch.where(torch.arange(300) < 100, labels, -1)
    assert measured(codes, few).bits.tolist() == pytest.approx(measured(codes[:100], labels[:100]).bits.tolist())
    times = torch.randint(0, 3, (300,), generator=dice)
    again = torch.arange(300).repeat_interleave(times)
    assert measured(codes, labels, times).bits.tolist() == pytest.approx(measured(codes[again], labels[again]).bits)


def test_a_feature_that_is_the_class_knows_all_of_it() -> None:
    labels = torch.tensor([0, 1] * 50)
    result = measured(labels[:, None].float(), labels).result()
    assert result["most_information"] == pytest.approx(1)


def test_independent_firing_has_the_null() -> None:
    dice = np.random.default_rng(0)
    labels, codes = dice.integers(0, 3, 400), dice.random((400, 800)) < 0.3
    result = measured(torch.from_numpy(codes).float(), torch.from_numpy(labels)).result()
    assert result["null.mutual_information"] == pytest.approx(1 / (400 * math.log(2)))
    assert result["mutual_information"] == pytest.approx(result["null.mutual_information"], rel=0.1)


def test_labels_that_do_not_belong_to_the_samples_are_refused() -> None:
    with pytest.raises(SparsightError, match="4 samples need one label each"):
        measured(torch.ones(4, 2), torch.zeros(3, dtype=torch.long))
