"""Filters and samples as bytes."""

import numpy as np
import torch
from toys import D, F, toy_job, toy_source

from sparsight.meters.shape import white_noise
from sparsight.views import tiles


def unpacked(content: bytes, n: int) -> np.ndarray:
    peaks = np.frombuffer(content[: 4 * n], "<f4")
    return np.frombuffer(content[4 * n :], np.int8).reshape(n, -1) / 127 * peaks[:, None]


def test_filters_come_back_within_half_a_level() -> None:
    sae = toy_job("topk").sae
    ids = torch.tensor([5, 0, 5])
    for of in ("encoder", "decoder"):
        weights = sae.filters()[of][ids].numpy()
        found = unpacked(tiles.of_filters(tiles.filters(sae, of, ids)), 3)
        assert np.abs(found - weights).max() <= np.abs(weights).max() / 127 * 0.51


def test_the_null_of_a_feature_is_always_the_same() -> None:
    sae = toy_job("topk").sae
    found = tiles.filters(sae, "null", torch.tensor([3, 3, 1]))
    assert found[0].equal(found[1])
    assert found[2].equal(white_noise(F, D)[1])


def test_weights_that_are_no_numbers_are_painted_as_nothing() -> None:
    weights = torch.tensor([[torch.nan, 1.0], [torch.inf, 0.0], [0.0, 0.0]])
    found = unpacked(tiles.of_filters(weights), 3)
    assert found.tolist() == [[0, 1], [0, 0], [0, 0]]


def test_samples_come_back_within_half_a_level_and_pictures_on_one_scale() -> None:
    ids = torch.tensor([4, 2])
    for source in (toy_source(), toy_source(pictures=False)):
        raw = source.gather(ids).numpy()
        content = tiles.of_samples(source, ids)
        ends = np.frombuffer(content[:16], "<f4").reshape(2, 2)
        levels = np.frombuffer(content[16:], np.uint8).reshape(2, -1)
        found = ends[:, :1] + levels / 255 * (ends[:, 1:] - ends[:, :1])
        assert np.abs(found - raw).max() <= (raw.max() - raw.min()) / 255 * 0.51
        assert (len(np.unique(ends[:, 1])) == 1) == (source.schema.shape is not None)


def test_a_column_keeps_what_is_not_known() -> None:
    assert np.isnan(np.frombuffer(tiles.column(np.array([1.5, np.nan])), "<f4")).tolist() == [False, True]
