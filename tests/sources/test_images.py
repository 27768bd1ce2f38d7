from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sparsight.errors import SparsightError
from sparsight.sources.images import Images

PICTURES = np.random.default_rng(0).integers(0, 256, (6, 5, 7), dtype=np.uint8)


def write_pictures(folder: Path, pictures: np.ndarray = PICTURES) -> Path:
    """Pictures by turns in the folders a and b."""
    for n, picture in enumerate(pictures):
        (folder / "ab"[n % 2]).mkdir(exist_ok=True, parents=True)
        Image.fromarray(picture).save(folder / "ab"[n % 2] / f"{n}.png")
    return folder


@pytest.mark.parametrize("suffix", ["png", "bmp", "gif", "tiff", "PNG"])
def test_pictures_of_many_kinds_are_their_bytes_over_255(suffix: str, tmp_path: Path) -> None:
    Image.fromarray(PICTURES[0]).save(tmp_path / f"x.{suffix}")
    source = Images(path=str(tmp_path))
    np.testing.assert_allclose(source.gather(torch.tensor([0]))[0], PICTURES[0].ravel() / 255, rtol=1e-6)
    assert source.schema.shape == (5, 7)
    assert source.base.dtype == torch.uint8


def test_folders_of_the_first_level_are_classes(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    (tmp_path / "b" / "deeper").mkdir()
    (tmp_path / "b" / "1.png").rename(tmp_path / "b" / "deeper" / "1.png")
    source = Images(path=str(tmp_path))
    labels = source.labels()
    assert labels is not None
    assert source.schema.classes == ("a", "b")
    assert labels.tolist() == [0, 0, 0, 1, 1, 1]
    np.testing.assert_allclose(source.gather(torch.tensor([5]))[0], PICTURES[1].ravel() / 255, rtol=1e-6)


def test_a_flat_folder_has_no_classes(tmp_path: Path) -> None:
    Image.fromarray(PICTURES[0]).save(tmp_path / "x.png")
    source = Images(path=str(tmp_path))
    assert source.labels() is None
    assert source.schema.classes is None


def test_colours_are_kept_where_asked(tmp_path: Path) -> None:
    colours = np.stack([PICTURES[0], PICTURES[1], PICTURES[2]], -1)
    Image.fromarray(colours).save(tmp_path / "x.png")
    source = Images(path=str(tmp_path), grey=False)
    assert source.schema.shape == (5, 7, 3)
    np.testing.assert_allclose(source.gather(torch.tensor([0]))[0], colours.ravel() / 255, rtol=1e-6)
    assert Images(path=str(tmp_path)).schema.shape == (5, 7)


def test_size_is_height_and_width(tmp_path: Path) -> None:
    source = Images(path=str(write_pictures(tmp_path)), size=[3, 4])
    assert source.schema.shape == (3, 4)
    assert len(source) == 6


def test_transparent_palettes_are_read_without_a_warning(tmp_path: Path) -> None:
    palette = Image.fromarray(PICTURES[0]).convert("P")
    palette.save(tmp_path / "x.png", transparency=bytes([0, 100] + [255] * 254))
    assert len(Images(path=str(tmp_path))) == 1


def test_the_first_picture_of_another_size_is_named(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    Image.fromarray(PICTURES[0, :3]).save(tmp_path / "b" / "1.png")
    Image.fromarray(PICTURES[0, :2]).save(tmp_path / "b" / "3.png")
    with pytest.raises(SparsightError, match=r"1\.png' has 3 × 7 pixels and the first picture 5 × 7: give a size"):
        Images(path=str(tmp_path))


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    path = write_pictures(tmp_path) / "b" / "3.png"
    whole = path.read_bytes()
    for content in (b"", b"no picture at all", whole[:-30]):
        path.write_bytes(content)
        with pytest.raises(SparsightError, match=r"the picture .*3\.png' cannot be read"):
            Images(path=str(tmp_path))


def test_pictures_that_cannot_be_read_are_left_out_only_where_asked(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path)
    for name in ("a/0.png", "b/3.png"):
        (folder / name).write_bytes(b"no picture at all")
    with pytest.raises(SparsightError, match=r"2 of 6 pictures cannot be used: .*0\.png' .*3\.png' .*skip_unreadable"):
        Images(path=str(folder))
    source = Images(path=str(folder), skip_unreadable=True)
    wanted = torch.from_numpy(PICTURES[[2, 4, 1, 5]].reshape(4, -1) / 255).float()
    torch.testing.assert_close(source.gather(torch.arange(4)), wanted)
    assert len(source.notes) == 1 and source.notes[0].startswith("left out: 2 of 6 pictures cannot be used")


@pytest.mark.parametrize("deep", [np.full((5, 7), 1000, np.uint16), np.full((5, 7), 0.5, np.float32)])
def test_deeper_pictures_are_refused_and_not_cut_off_at_255(deep: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(deep).save(tmp_path / "deep.tiff")
    with pytest.raises(SparsightError, match=r"deep\.tiff' has more than 8 bits per pixel: convert it to 8"):
        Images(path=str(tmp_path))


def test_missing_and_empty_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(SparsightError, match=r"there is no folder .*gone"):
        Images(path=str(tmp_path / "gone"))
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(SparsightError, match="holds no pictures"):
        Images(path=str(tmp_path))


@pytest.mark.parametrize("size", [[3], [3, 4, 5], [0, 4]])
def test_a_size_is_two_positive_numbers(size: list[int], tmp_path: Path) -> None:
    with pytest.raises(SparsightError, match=r"'images'\.size"):
        Images(path=str(write_pictures(tmp_path)), size=size)
