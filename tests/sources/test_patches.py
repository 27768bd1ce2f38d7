import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sparsight.errors import SparsightError
from sparsight.sources import open_source
from sparsight.sources.patches import PHOTOGRAPHS, Patches

DICE = np.random.default_rng(0)
PICTURES = {name: DICE.integers(0, 256, (20 + 3 * n, 30, 3), dtype=np.uint8) for n, name in enumerate("abcde")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, picture in PICTURES.items():
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    return tmp_path


def found(patch: torch.Tensor, picture: np.ndarray) -> bool:
    """Whether a patch is somewhere in a picture."""
    rows = (patch.numpy() * 255).round().astype(np.uint8)
    windows = np.lib.stride_tricks.sliding_window_view(picture, rows.shape[:2], (0, 1))
    return bool((windows == np.moveaxis(rows, -1, 0)).all((2, 3, 4)).any())


def all_of(source: Patches) -> torch.Tensor:
    return source.gather(torch.arange(len(source)))


def test_a_patch_is_a_piece_of_the_picture_that_is_its_group(folder: Path) -> None:
    source = Patches(path=str(folder), size=4, n=60, grey=False)
    assert source.schema.shape == (4, 4, 3)
    for patch, group in zip(all_of(source).unflatten(1, (4, 4, 3)), source.groups().tolist(), strict=True):
        inside = [found(patch, picture) for picture in PICTURES.values()]
        assert inside == [number == group for number in range(5)]


def test_every_place_of_every_picture_is_as_likely_as_any_other(tmp_path: Path) -> None:
    for name, height in (("a", 2), ("b", 4)):
        Image.fromarray(DICE.integers(0, 256, (height, 3), dtype=np.uint8)).save(tmp_path / f"{name}.png")
    source = Patches(path=str(tmp_path), size=2, n=8000)
    _, counts = all_of(source).unique(dim=0, return_counts=True)
    assert len(counts) == 2 + 6
    assert float((counts - 1000).square().sum() / 1000) < 24.3  # the chi-squared of 7 degrees at one in a thousand


def test_places_are_a_function_of_seed_and_number(folder: Path) -> None:
    few, more = (all_of(Patches(path=str(folder), size=4, n=n)) for n in (20, 50))
    assert torch.equal(few, more[:20])
    assert not torch.equal(few, all_of(Patches(path=str(folder), size=4, n=20, seed=1)))


def test_no_picture_is_in_both_parts_of_a_split(folder: Path) -> None:
    kept, held = Patches(path=str(folder), size=4, n=200).split(0.4, 0)
    assert held is not None
    of_kept, of_held = kept.groups(), held.groups()
    assert of_kept is not None and of_held is not None
    assert sorted({*of_kept.tolist()} | {*of_held.tolist()}) == [0, 1, 2, 3, 4]
    assert len(set(of_held.tolist())) == 2


def test_one_picture_is_enough_where_it_is_cut_into_bands(folder: Path) -> None:
    for path in folder.iterdir():
        if path.stem != "e":
            path.unlink()
    with pytest.raises(SparsightError, match="holding 20% of 1 groups of samples out leaves none"):
        Patches(path=str(folder), size=4, n=200).split(0.2, 0)
    source = Patches(path=str(folder), size=4, n=400, bands=4, grey=False)  # of 8 rows each
    for patch, band in zip(all_of(source)[:40].unflatten(1, (4, 4, 3)), source.groups().tolist(), strict=False):
        assert found(patch, PICTURES["e"][8 * band : 8 * band + 8])
    kept, held = source.split(0.2, 0)
    assert held is not None and len(kept) + len(held) == 400


def test_what_is_around_a_patch_is_shown(folder: Path) -> None:
    source = Patches(path=str(folder), size=4, n=50, grey=False)
    for number in range(50):
        context = source.context(number)
        assert context is not None and context.picture is not None and context.grid is not None
        rows, columns = context.grid
        assert context.picture.shape == (4 * rows, 4 * columns, 3)
        row, column = divmod(context.here, columns)
        cell = context.picture[4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        np.testing.assert_allclose(source.gather(torch.tensor([number]))[0], cell.ravel() / 255, rtol=1e-6)
        name, place = context.origin.split(".png, row ")
        top, left = map(int, place.split(", column "))
        np.testing.assert_array_equal(cell, PICTURES[name][top : top + 4, left : left + 4])


def test_sub_folders_are_classes(folder: Path) -> None:
    for name in "bd":
        (folder / "other").mkdir(exist_ok=True)
        (folder / f"{name}.png").rename(folder / "other" / f"{name}.png")
    source = Patches(path=str(folder), size=4, n=100)
    labels = source.labels()
    classes = source.schema.classes
    assert classes == ("", "other") and labels is not None
    files = [source.files[group].stem for group in source.groups().tolist()]
    assert [label == 1 for label in labels.tolist()] == [file in "bd" for file in files]


def test_pictures_that_cannot_be_used_are_counted_named_and_left_out_only_where_asked(folder: Path) -> None:
    (folder / "a.png").write_bytes(b"no picture")
    with pytest.raises(
        SparsightError, match=r"the picture .*a\.png' cannot be read .*set source\.skip_unreadable=true"
    ):
        Patches(path=str(folder), size=4)
    Image.fromarray(PICTURES["b"][:3]).save(folder / "b.png")
    said = r"2 of 5 pictures cannot be used: .*a\.png' cannot be read .*b\.png' has 3 × 30 pixels, .* patch of 4 × 4"
    with pytest.raises(SparsightError, match=said):
        Patches(path=str(folder), size=4)
    source = Patches(path=str(folder), size=4, n=100, skip_unreadable=True)
    assert [file.stem for file in source.files] == ["c", "d", "e"]
    assert len(source.notes) == 1 and source.notes[0].startswith("left out: 2 of 5 pictures cannot be used")
    with pytest.raises(SparsightError, match="5 of 5 pictures cannot be used"):
        Patches(path=str(folder), size=40, skip_unreadable=True)


def test_the_photographs_open_by_their_name() -> None:
    assert open_source("photographs") == {"name": "patches"}
    source = Patches(n=500)
    assert source.schema.shape == (12, 12)
    assert len(source.groups().unique()) == len(PHOTOGRAPHS)
    assert source.notes == ()


def test_what_brings_the_photographs_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SparsightError, match=r"pip install 'sparsight\[photographs\]'"):
        Patches()
