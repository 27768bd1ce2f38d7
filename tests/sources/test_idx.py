import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from sparsight.errors import SparsightError
from sparsight.sources.idx import Idx

PICTURES = np.random.default_rng(0).integers(0, 256, (12, 5, 6), dtype=np.uint8)
LABELS = np.arange(12, dtype=np.uint8) % 4


def idx_bytes(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.astype(np.uint8).tobytes()


def write_idx(path: Path, array: np.ndarray) -> Path:
    content = idx_bytes(array)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def write_mnist(folder: Path, suffix: str = ".gz") -> Path:
    """MNIST's four files, with its names, in small."""
    for stem, n in (("train", 12), ("t10k", 4)):
        write_idx(folder / f"{stem}-images-idx3-ubyte{suffix}", PICTURES[:n])
        write_idx(folder / f"{stem}-labels-idx1-ubyte{suffix}", LABELS[:n])
    return folder


@pytest.mark.parametrize("suffix", [".gz", ""])
def test_packed_and_unpacked_files_are_the_same_source(suffix: str, tmp_path: Path) -> None:
    write_mnist(tmp_path, suffix)
    source = Idx(path=str(tmp_path / f"train-images-idx3-ubyte{suffix}"))
    np.testing.assert_allclose(source.gather(torch.arange(12)), PICTURES.reshape(12, 30) / 255, rtol=1e-6)
    assert source.schema.shape == (5, 6)
    assert source.schema.classes == ("0", "1", "2", "3")
    labels = source.labels()
    assert labels is not None
    assert labels.tolist() == LABELS.tolist()


@pytest.mark.parametrize(("images", "labels"), [("", ".gz"), (".gz", "")])
def test_labels_beside_the_images_are_found_packed_or_not(images: str, labels: str, tmp_path: Path) -> None:
    path = write_idx(tmp_path / f"train-images-idx3-ubyte{images}", PICTURES)
    assert Idx(path=str(path)).labels() is None
    write_idx(tmp_path / f"train-labels-idx1-ubyte{labels}", LABELS)
    assert Idx(path=str(path)).labels() is not None


def test_labels_may_be_named(tmp_path: Path) -> None:
    path, labels = write_idx(tmp_path / "a-idx3-ubyte", PICTURES), write_idx(tmp_path / "b", LABELS[::-1])
    found = Idx(path=str(path), labels=str(labels)).labels()
    assert found is not None
    assert found.tolist() == LABELS[::-1].tolist()


def test_a_file_is_never_its_own_labels_or_test_part(tmp_path: Path) -> None:
    for name in ("pictures.gz", "pictures", "t10k-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte"):
        write_idx(tmp_path / name, PICTURES)
    for name in ("pictures.gz", "t10k-images-idx3-ubyte.gz"):
        source = Idx(path=str(tmp_path / name))
        assert source.labels() is None
        assert source.test_part() is None


def test_the_test_part_is_mnists_own(tmp_path: Path) -> None:
    source = Idx(path=str(write_mnist(tmp_path) / "train-images-idx3-ubyte.gz"))
    test = source.split(0.25, 0)[0].test_part()
    assert test is not None
    assert len(test) == 4
    assert test.labels() is not None
    assert test.test_part() is None


HEAD = bytes([0, 0, 8, 3])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (HEAD + bytes(5), "is no IDX file of bytes with 3 dimensions"),
        (idx_bytes(LABELS) + bytes(40), "is no IDX file of bytes with 3 dimensions"),
        (bytes([0, 0, 0x0D, 3]) + bytes(40), "is no IDX file of bytes"),
        (b"hello there, this is something else", "is no IDX file of bytes"),
        (idx_bytes(PICTURES)[:-1], "does not hold the 360 bytes that it says: it is cut off or damaged"),
        (idx_bytes(PICTURES) + b"x", "does not hold the 360 bytes"),
        # 2^64 bytes, which would be 0 in whole numbers of 64 bits
        (HEAD + np.array([2**17, 2**17, 2**30], ">u4").tobytes(), "does not hold the 18446744073709551616 bytes"),
        (gzip.compress(idx_bytes(PICTURES))[:-9], "the gzip file .* is damaged or cut off"),
        (gzip.compress(idx_bytes(PICTURES))[:60] + b"damage" * 30, "the gzip file .* is damaged or cut off"),
        (idx_bytes(PICTURES[:0]), "holds 0 samples"),
        (idx_bytes(PICTURES[:, :0]), "holds 0 columns"),
    ],
)
def test_a_file_that_is_not_whole_is_named(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(SparsightError, match=said) as caught:
        Idx(path=str(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(SparsightError, match=r"there is no file .*gone"):
        Idx(path=str(tmp_path / "gone"))
    with pytest.raises(SparsightError, match=r"there is no file .*gone"):
        Idx(path=str(write_idx(tmp_path / "a", PICTURES)), labels=str(tmp_path / "gone"))


def test_labels_of_another_length_are_refused_with_both_lengths(tmp_path: Path) -> None:
    path, labels = write_idx(tmp_path / "a", PICTURES), write_idx(tmp_path / "b", LABELS[:7])
    with pytest.raises(SparsightError, match="holds 12 samples and 7 labels"):
        Idx(path=str(path), labels=str(labels))
