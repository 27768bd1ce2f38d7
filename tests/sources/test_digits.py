from pathlib import Path

import numpy as np
import pytest
import torch

import sparsight.sources
from sparsight.errors import SparsightError
from sparsight.sources.digits import FILE, Digits


@pytest.mark.parametrize(("part", "each", "there"), [("train", 1_000, 60_000), ("test", 200, 10_000)])
def test_each_class_has_as_many_digits_and_none_comes_twice(part: str, each: int, there: int) -> None:
    source = Digits(part=part)  # type: ignore[arg-type]
    labels = source.labels()
    assert labels is not None
    assert torch.bincount(labels).tolist() == [each] * 10
    assert len(set(source.index.tolist())) == len(source) == 10 * each
    assert source.index.min() >= 0 and source.index.max() < there


def test_classes_are_mixed_so_that_the_first_samples_show_all() -> None:
    labels = Digits().labels()
    assert labels is not None
    assert len(set(labels[:100].tolist())) == 10


def test_pixels_are_the_bytes_over_255() -> None:
    with np.load(FILE) as file:
        images = file["train_images"]
    assert images.dtype == np.uint8
    source = Digits()
    ids = torch.tensor([9_999, 0, 17])
    np.testing.assert_allclose(source.gather(ids), images[ids.numpy()].reshape(3, 784) / 255, rtol=1e-6)
    assert source.schema.shape == (28, 28)
    assert source.base.dtype == torch.uint8


def test_a_digit_looks_like_its_label() -> None:
    """The mean 0 has a hole and the mean 1 a stroke in the middle, so labels belong to their images."""
    source = Digits()
    labels = source.labels()
    assert labels is not None
    centre = [float(source.gather((labels == digit).nonzero()[:, 0]).mean(0)[14 * 28 + 14]) for digit in (0, 1)]
    assert centre[0] < 0.1
    assert centre[1] > 0.5


def test_the_test_digits_are_apart_from_the_training_digits() -> None:
    test = Digits().test_part()
    assert test is not None
    assert len(test) == 2_000
    assert test.test_part() is None
    assert test.fingerprint() == Digits(part="test").fingerprint() != Digits().fingerprint()


def test_the_places_in_mnist_follow_the_samples_that_are_taken() -> None:
    source = Digits()
    part = source.take(torch.tensor([5, 3])).take(torch.tensor([1]))
    assert isinstance(part, Digits)
    assert part.index.tolist() == [source.index[3]]


def test_another_part_is_refused() -> None:
    with pytest.raises(SparsightError, match="'train' or 'test', got 'validation'"):
        Digits(part="validation")  # type: ignore[arg-type]


def test_the_licence_of_the_digits_lies_beside_them() -> None:
    text = (Path(sparsight.sources.__file__).parent / "data" / "LICENSE-digits.txt").read_text(encoding="utf-8")
    for words in ("CC BY-SA 3.0", "Yann LeCun", "Corinna Cortes", "Christopher J. C. Burges", "not covered by"):
        assert words in text
