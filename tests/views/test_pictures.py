"""Grids and sheets of them."""

import io

import numpy as np
import torch
from PIL import Image

from sparsight.views.pictures import GAP, captioned, grid, png, sheet, side_by_side


def test_a_grid_has_the_columns_that_it_is_asked_for() -> None:
    filters = torch.randn(6, 12)
    assert grid(filters, (3, 4), zoom=1).shape == (2 * 4 + 1, 3 * 5 + 1, 3)
    assert grid(filters, (3, 4), zoom=1, columns=6).shape == (4 + 1, 6 * 5 + 1, 3)


def test_zero_is_mid_grey_and_the_largest_weight_of_a_filter_is_black_or_white() -> None:
    tile = grid(torch.tensor([[0.0, 2.0, -2.0, 1.0]]), (2, 2), zoom=1)[1:3, 1:3, 0]
    assert tile.tolist() == [[128, 255], [0, 191]]


def test_a_caption_leaves_the_picture_as_it_is_and_widens_the_paper_for_long_lines() -> None:
    picture = np.zeros((10, 20, 3), np.uint8)
    page = captioned(picture, above=["a long line of text"], below=["one", "two"], size=10)
    assert page.shape[1] > 20
    assert (page[14:24, :20] == 0).all() and (page[14:24, 20:] == 255).all()
    assert page[:14].min() < 255 and page[24:].min() < 255


def test_no_text_leaves_a_picture_alone() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    np.testing.assert_array_equal(captioned(picture), picture)


def test_a_sheet_sets_pictures_in_rows() -> None:
    pictures = [np.full((2, 3, 3), n, np.uint8) for n in range(3)]
    page = sheet(pictures, columns=2, gap=1, margin=2)
    assert page.shape == (2 + 2 + 1 + 2 + 2, 2 + 3 + 1 + 3 + 2, 3)
    assert (page[2:4, 2:5] == 0).all() and (page[2:4, 6:9] == 1).all() and (page[5:7, 2:5] == 2).all()
    assert (page[5:7, 6:9] == 255).all() and (page[:2] == 255).all() and (page[:, -2:] == 255).all()


def test_side_by_side_keeps_every_picture_whole() -> None:
    black = np.zeros((4, 200, 3), np.uint8)
    page = side_by_side({"left": black, "right": black})
    assert page.shape[1] == 2 * 200 + 3 * GAP
    assert (page[-GAP - 4 : -GAP, GAP : GAP + 200] == 0).all()


def test_a_png_holds_the_same_pixels() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png(picture)))), picture)
