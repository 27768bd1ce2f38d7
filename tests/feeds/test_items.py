"""Samples of a source as what a model takes."""

from typing import Any

import numpy as np
import pytest
import torch

from sparsight.errors import SparsightError
from sparsight.feeds import Feed
from sparsight.spec import build

PIXELS = np.random.default_rng(0).random((7, 5, 4, 3)).astype(np.float32)


def items(**knobs: Any) -> Feed:
    source = build("source", "arrays", data=PIXELS, labels=np.arange(7) % 2)
    return build("feed", "items", source=source, **{"per_block": 3, **knobs})


def test_pictures_go_in_with_channels_first_and_each_once() -> None:
    feed = items()
    found = torch.cat([feed.block(n).args[0] for n in range(len(feed))])
    np.testing.assert_array_equal(found.numpy(), PIXELS.transpose(0, 3, 1, 2))
    assert feed.rows(10).tolist() == [30, 30, 10]
    labels = torch.cat([feed.block(n).columns["label"] for n in range(len(feed))])
    assert labels.tolist() == [0, 1, 0, 1, 0, 1, 0]


def test_channels_are_shifted_and_scaled() -> None:
    found = items(mean=[0.1, 0.2, 0.3], std=[2.0]).block(0).args[0]
    expected = (PIXELS[:3] - np.array([0.1, 0.2, 0.3])) / 2
    np.testing.assert_allclose(found.numpy(), expected.transpose(0, 3, 1, 2), rtol=1e-5, atol=1e-6)


def test_rows_without_a_shape_go_in_as_rows() -> None:
    feed = build("feed", "items", source=build("source", "arrays", data=PIXELS.reshape(7, -1)), per_block=4)
    assert feed.block(0).args[0].shape == (4, 60)
    assert feed.picture(0) is None


def test_a_limit_takes_the_first_and_only_takes_some() -> None:
    assert items(limit=4).rows(1).tolist() == [3, 1]
    some = items().only([5, 2])
    np.testing.assert_array_equal(some.block(0).args[0].numpy(), PIXELS[[2, 5]].transpose(0, 3, 1, 2))


def test_what_the_model_saw_can_be_looked_at() -> None:
    picture = items().picture(3)
    assert picture is not None
    np.testing.assert_array_equal(picture, (PIXELS[3] * 255).round().astype(np.uint8))


def test_the_wrong_number_of_channels_is_one_sentence() -> None:
    with pytest.raises(SparsightError, match="mean has 2 numbers: give one for each of 3 channels"):
        items(mean=[0.1, 0.2])
