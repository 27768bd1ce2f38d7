import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from safetensors.torch import save_file

from sparsight.errors import SparsightError
from sparsight.sources.arrays import Arrays

TABLE = np.random.default_rng(0).random((30, 4)).astype(np.float32)
TABLE[TABLE < 0.3] = 0
BYTES = np.random.default_rng(1).integers(0, 256, (9, 3, 2), dtype=np.uint8)


def locked(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


def on_disk(folder: Path, suffix: str, table: np.ndarray = TABLE) -> str:
    path = folder / f"x.{suffix}"
    if suffix == "npy":
        np.save(path, table)
    elif suffix == "npz":
        np.savez_compressed(path, only=table)
    else:
        save_file({"only": torch.from_numpy(table)}, path)
    return str(path)


STORED: dict[str, Callable[[Path], Arrays]] = {
    **{
        suffix: lambda folder, suffix=suffix: Arrays(path=on_disk(folder, suffix))
        for suffix in ("npy", "npz", "safetensors")
    },
    "float64 npy": lambda folder: Arrays(path=on_disk(folder, "npy", TABLE.astype(np.float64))),
    "numpy": lambda folder: Arrays(data=TABLE),
    "float64": lambda folder: Arrays(data=TABLE.astype(np.float64)),
    "other bytes first": lambda folder: Arrays(data=TABLE.astype(">f4")),
    "read only": lambda folder: Arrays(data=locked(TABLE)),
    "columns first": lambda folder: Arrays(data=np.asfortranarray(TABLE)),
    "backwards": lambda folder: Arrays(data=TABLE[::-1].copy()[::-1]),
    "list": lambda folder: Arrays(data=TABLE.tolist()),
    "torch": lambda folder: Arrays(data=torch.from_numpy(TABLE).requires_grad_()),
    "csr": lambda folder: Arrays(data=sp.csr_matrix(TABLE)),
    "csc": lambda folder: Arrays(data=sp.csc_array(TABLE)),
}


@pytest.mark.parametrize("stored", STORED)
def test_rows_come_as_they_are_in_any_order_and_again(stored: str, tmp_path: Path) -> None:
    source = STORED[stored](tmp_path)
    ids = torch.tensor([7, 0, 29, 7, 3])
    found = source.gather(ids)
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found, TABLE[ids.numpy()])
    part = source.take(torch.tensor([20, 4, 11])).take(torch.tensor([2, 0]))
    np.testing.assert_array_equal(part.gather(torch.tensor([1, 0])), TABLE[[20, 11]])


@pytest.mark.parametrize("stored", STORED)
def test_the_fingerprint_changes_with_any_value(stored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = STORED[stored](tmp_path).fingerprint()
    assert STORED[stored](tmp_path).fingerprint() == before
    changed = TABLE.copy()
    changed[np.unravel_index(TABLE.argmax(), TABLE.shape)] += 1  # no zero, so that sparse rows keep their places
    monkeypatch.setitem(globals(), "TABLE", changed)
    monkeypatch.setattr(on_disk, "__defaults__", (changed,))
    assert STORED[stored](tmp_path).fingerprint() != before


def test_the_fingerprint_knows_type_shape_and_weights() -> None:
    same = [
        Arrays(data=np.zeros((4, 4), np.float32)),
        Arrays(data=np.zeros((4, 4), np.int32)),
        Arrays(data=np.zeros((2, 8), np.float32)),
        Arrays(data=np.zeros((4, 4), np.float32), shape=[2, 2]),
        Arrays(data=np.zeros((4, 4), np.float32), weight=[1, 1, 1, 1]),
        Arrays(data=np.zeros((4, 4), np.float32), weight=[1, 1, 1, 2]),
    ]
    assert len({source.fingerprint() for source in same}) == len(same)
    fine = np.ones((2, 2))
    before = Arrays(data=fine.copy()).fingerprint()
    fine[0, 0] += 1e-12  # lost in float32
    assert Arrays(data=fine).fingerprint() != before


@pytest.mark.parametrize(
    "dtype", [torch.bool, torch.uint8, torch.int16, torch.int64, torch.float16, torch.bfloat16, torch.float64]
)
def test_every_type_of_number_becomes_float32_when_read(dtype: torch.dtype) -> None:
    data = torch.tensor([[0, 1], [1, 0], [1, 1]]).to(dtype)
    source = Arrays(data=data)
    assert source.base.data_ptr() == data.data_ptr()
    assert source.gather(torch.tensor([1])).dtype == torch.float32
    assert source.gather(torch.tensor([1])).tolist() == [[1, 0]]
    assert len(source.fingerprint()) == 64
    if dtype is not torch.bfloat16:
        assert Arrays(data=data.numpy()).gather(torch.tensor([0])).tolist() == [[0, 1]]


@pytest.mark.parametrize(
    "data",
    [
        TABLE,
        TABLE[::2],
        TABLE[:, 1:3],
        locked(TABLE),
        np.asfortranarray(TABLE),
        BYTES,
        np.zeros((5, 3, 4, 4)).transpose(0, 2, 3, 1),
    ],
)
def test_what_is_in_memory_is_never_copied(data: np.ndarray) -> None:
    source = Arrays(data=data)
    for held in (source.base, source.take(torch.tensor([1, 0])).base):  # type: ignore[attr-defined]
        assert np.shares_memory(np.asarray(held), data)


def test_an_npy_file_is_mapped_and_not_read(tmp_path: Path) -> None:
    source = Arrays(path=on_disk(tmp_path, "npy"))
    assert isinstance(source.base, np.memmap)
    assert isinstance(source.take(torch.tensor([1])).base, np.memmap)  # type: ignore[attr-defined]


def test_many_rows_are_read_in_blocks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sparsight.sources._rows.BLOCK", 12)
    for stored in STORED:
        ids = torch.arange(29, -1, -1)
        np.testing.assert_array_equal(STORED[stored](tmp_path).gather(ids), TABLE[::-1])


def test_bytes_are_kept_as_bytes_and_never_rescaled() -> None:
    source = Arrays(data=BYTES)
    assert source.base.dtype == torch.uint8
    np.testing.assert_array_equal(source.gather(torch.arange(9)), BYTES.reshape(9, 6).astype(np.float32))


def test_numbers_beyond_float32_are_infinite_without_a_warning() -> None:
    for data in (np.full((2, 2), 1e300), locked(np.full((2, 2), 1e300))):
        assert Arrays(data=data).gather(torch.tensor([0])).isinf().all()


def test_arrays_of_pictures_declare_their_geometry() -> None:
    assert Arrays(data=BYTES).schema.shape == (3, 2)
    assert Arrays(data=torch.zeros(5, 3, 2, 3)).schema.shape == (3, 2, 3)
    assert Arrays(data=TABLE).schema.shape is None
    assert Arrays(data=TABLE, shape=[2, 2]).schema.shape == (2, 2)
    assert Arrays(data=np.zeros((5, 12)), shape=[2, 2, 3]).schema.shape == (2, 2, 3)


def test_weights_have_a_mean_of_one() -> None:
    weights = Arrays(data=TABLE, weight=np.arange(30)).weights()
    assert weights is not None
    np.testing.assert_allclose(weights, np.arange(30) / 14.5)


@pytest.mark.parametrize("labels", [["cat", "ant", "bee"] * 10, np.array(["cat", "ant", "bee"] * 10, object)])
def test_labels_are_places_in_the_sorted_classes(labels: Any) -> None:
    source = Arrays(data=TABLE, labels=labels)
    found = source.labels()
    assert found is not None
    assert source.schema.classes == ("ant", "bee", "cat")
    assert found[:3].tolist() == [2, 0, 1]
    assert source.show(1).label == "ant"


def refused(said: str, **knobs: Any) -> None:
    with pytest.raises(SparsightError, match=said) as caught:
        Arrays(**knobs)
    assert "\n" not in str(caught.value)


def test_one_array_of_several_is_taken_by_its_key(tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", b=TABLE, a=TABLE + 1)
    save_file({"b": torch.from_numpy(TABLE), "a": torch.from_numpy(TABLE + 1)}, tmp_path / "two.safetensors")
    for name in ("two.npz", "two.safetensors"):
        path = str(tmp_path / name)
        np.testing.assert_array_equal(Arrays(path=path, key="b").gather(torch.arange(30)), TABLE)
        refused("holds a, b: give a key", path=path)
        refused("holds a, b: there is no 'c'", path=path, key="c")


@pytest.mark.parametrize("suffix", ["npy", "npz", "safetensors"])
def test_a_file_cut_off_anywhere_is_named(suffix: str, tmp_path: Path) -> None:
    whole = Path(on_disk(tmp_path, suffix)).read_bytes()
    path = tmp_path / f"cut.{suffix}"
    for length in range(1, len(whole), 7):
        path.write_bytes(whole[:length])
        refused(rf"cut\.{suffix}' is damaged, cut off or no \.{suffix} file", path=str(path))
    path.write_bytes(b"")
    refused("is empty", path=str(path))


@pytest.mark.parametrize("where", ["the numbers", "the table of contents"])
def test_a_damaged_npz_is_refused_and_leaves_no_file_open(where: str, tmp_path: Path) -> None:
    path = Path(on_disk(tmp_path, "npz"))
    content = bytearray(path.read_bytes())
    start = content.index(b"only.npy") + 100 if where == "the numbers" else content.index(b"PK\x01\x02")
    content[start : start + 40] = bytes(40)
    path.write_bytes(content)
    refused("is damaged, cut off or no .npz file", path=str(path))


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    for there in ("npy", "npz", "safetensors"):
        content = Path(on_disk(tmp_path, there)).read_bytes()
        for claimed in {"npy", "npz", "safetensors"} - {there}:
            (tmp_path / f"wrong.{claimed}").write_bytes(content)
            refused(f"is damaged, cut off or no .{claimed} file", path=str(tmp_path / f"wrong.{claimed}"))
    (tmp_path / "x.txt").write_text("1 2 3")
    refused(r"cannot be read: these can, \.npy.*; tables are for the source `tables`", path=str(tmp_path / "x.txt"))
    refused("there is no file", path=str(tmp_path / "gone.npy"))
    refused("there is no file", path=str(tmp_path))


class Trap:
    """What runs when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("it was unpickled",))


def test_nothing_is_ever_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([[Trap()]], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "x.npz", a=np.array([[Trap()]], dtype=object), allow_pickle=True)
    (tmp_path / "raw.npy").write_bytes(pickle.dumps(Trap()))
    refused("x.npy' is damaged, cut off or no .npy file .*Python objects", path=str(tmp_path / "x.npy"))
    refused("x.npz' is damaged", path=str(tmp_path / "x.npz"), key="a")
    refused("raw.npy' is damaged", path=str(tmp_path / "raw.npy"))


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({}, "takes a path or data in memory: give one of the two"),
        ({"path": "x.npy", "data": TABLE}, "takes a path or data in memory: give one of the two"),
        ({"data": TABLE[:0]}, "holds 0 samples"),
        ({"data": TABLE[:, :0]}, "holds 0 columns"),
        ({"data": sp.csr_matrix((0, 4))}, "holds 0 samples"),
        ({"data": TABLE[0]}, "is a list of 4 numbers: give rows"),
        ({"data": [[1, 2], [3]]}, "the rows of the data have different lengths"),
        ({"data": np.array([[{}, []]], dtype=object)}, "holds values of type object"),
        ({"data": np.array([["a", "b"]])}, "holds values of type <U1"),
        ({"data": TABLE + 1j}, "holds values of type complex"),
        ({"data": torch.zeros(2, 2, dtype=torch.complex64)}, "holds values of type torch.complex64"),
        ({"data": np.array([["2020-01-01"]], dtype="datetime64[D]")}, "holds values of type datetime64"),
        ({"data": torch.eye(3).to_sparse()}, "is a sparse tensor: give a scipy sparse matrix"),
        ({"data": TABLE, "labels": np.arange(29)}, "holds 30 samples and 29 labels"),
        ({"data": TABLE, "labels": np.array(["a", 1] * 15, object)}, "labels of different types"),
        ({"data": TABLE, "weight": np.ones(31)}, "holds 30 samples and 31 weights"),
        ({"data": TABLE, "weight": -np.ones(30)}, "weights must be finite, not negative"),
        ({"data": TABLE, "weight": np.full(30, np.nan)}, "weights must be finite"),
        ({"data": TABLE, "weight": np.full(30, np.inf)}, "weights must be finite"),
        ({"data": TABLE, "weight": np.zeros(30)}, "not all zero"),
        ({"data": TABLE, "weight": ["heavy"] * 30}, "sample weights holds values of type <U5"),
        ({"data": TABLE, "shape": [2, 3]}, r"has 4 columns, which cannot have the shape \[2, 3\]"),
        ({"data": TABLE, "shape": [-2, -2]}, r"cannot have the shape \[-2, -2\]: give \[height, width\]"),
        ({"data": TABLE, "shape": [4]}, r"cannot have the shape \[4\]: give \[height, width\]"),
        ({"data": np.zeros((3, 2, 2, 2, 2))}, r"cannot have the shape \[2, 2, 2, 2\]"),
        ({"data": TABLE, "names": ["a"]}, "has 4 columns and 1 names"),
        ({"data": pd.DataFrame({"a": [1]})}, "is a table with named columns: give it to the source `tables`"),
    ],
)
def test_a_mistake_is_one_sentence(knobs: dict[str, Any], said: str) -> None:
    refused(said, **knobs)


def test_what_is_not_finite_is_left_to_the_trainer() -> None:
    assert Arrays(data=np.array([[np.nan, np.inf]])).gather(torch.tensor([0])).isnan().any()


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_sample_may_have_no_label(missing: float | None) -> None:
    source = Arrays(data=TABLE, labels=["b", missing, "a"] * 10)
    labels = source.labels()
    assert source.schema.classes == ("a", "b")
    assert labels is not None
    assert labels.tolist() == [1, -1, 0] * 10
    assert [source.show(n).label for n in range(3)] == ["b", None, "a"]
