"""Columns of vectors in Parquet, saved data sets and zarr: what is read, and what is refused in one sentence."""

import sys
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch
import zarr

from sparsight.core import Source
from sparsight.errors import SparsightError
from sparsight.sources import open_source
from sparsight.spec import build

X = np.arange(40, dtype=np.float32).reshape(10, 4)


def parquet(folder: Path, columns: dict[str, Any], schema: pyarrow.Schema | None = None) -> str:
    place = str(folder / "rows.parquet")
    pyarrow.parquet.write_table(pyarrow.table(columns, schema=schema), place, row_group_size=3)
    return place


def saved(folder: Path, **columns: Any) -> str:
    datasets.Dataset.from_dict(columns).save_to_disk(str(folder / "saved"))
    return str(folder / "saved")


def array(folder: Path, x: np.ndarray = X) -> str:
    zarr.create_array(str(folder / "rows.zarr"), data=x, overwrite=True)
    return str(folder / "rows.zarr")


def opened(name: str, path: str, **knobs: Any) -> Source:
    return build("source", {"name": name, "path": path, **knobs})


@pytest.mark.parametrize("of", [pyarrow.list_(pyarrow.float16()), pyarrow.list_(pyarrow.float32(), 4)])
def test_lists_and_lists_of_a_fixed_size_are_vectors(of: pyarrow.DataType, tmp_path: Path) -> None:
    kind = np.float16 if of.value_type == pyarrow.float16() else np.float32
    path = parquet(tmp_path, {"vector": list(X.astype(kind))}, pyarrow.schema([("vector", of)]))
    source = opened("parquet", path)
    assert source.base.dtype == kind, "held as it was stored"  # type: ignore[attr-defined]
    np.testing.assert_array_equal(source.gather(torch.tensor([9, 0])), X[[9, 0]])


def test_each_is_found_by_what_lies_at_its_path(tmp_path: Path) -> None:
    for name, path in (
        ("parquet", parquet(tmp_path, {"vector": X.tolist(), "price": range(10)})),
        ("datasets", saved(tmp_path, vector=X, text=["a"] * 10)),
        ("zarr", array(tmp_path)),
    ):
        assert open_source(path) == {"name": name, "path": path}
        np.testing.assert_array_equal(build("source", open_source(path)).gather(torch.tensor([3, 1])), X[[3, 1]])


@pytest.mark.parametrize("name", ["datasets", "zarr"])
def test_only_the_rows_that_are_asked_for_are_read(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.zeros((5_000, 64), np.float32)
    source = opened(name, saved(tmp_path, x=x) if name == "datasets" else array(tmp_path, x))
    picked: list[int] = []
    kind: Any = type(source.base)  # type: ignore[attr-defined]
    pick = kind.__getitem__
    monkeypatch.setattr(kind, "__getitem__", lambda base, ids: (picked.append(len(ids)), pick(base, ids))[1])
    source.gather(torch.tensor([4_000, 3]))
    assert picked == [2]
    assert source.stored


def test_arrays_of_a_data_set_and_of_zarr_keep_their_shape(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (10, 3, 5), dtype=np.uint8)
    assert opened("zarr", array(tmp_path, pictures)).schema.shape == (3, 5)
    features = datasets.Features({"picture": datasets.Array2D((3, 5), "uint8")})
    datasets.Dataset.from_dict({"picture": pictures}, features=features).save_to_disk(str(tmp_path / "saved"))
    source = opened("datasets", str(tmp_path / "saved"))
    assert source.schema.shape == (3, 5)
    np.testing.assert_array_equal(source.gather(torch.arange(10)), pictures.reshape(10, 15))


def test_one_of_several_is_named(tmp_path: Path) -> None:
    both = {"a": X.tolist(), "b": (X + 1).tolist()}
    path = parquet(tmp_path, both)
    with pytest.raises(SparsightError, match="a, b; give a column"):
        opened("parquet", path)
    with pytest.raises(SparsightError, match="'c' is none of them"):
        opened("parquet", path, column="c")
    assert opened("parquet", path, column="b").gather(torch.tensor([0]))[0, 0] == 1
    parts = datasets.DatasetDict({"train": datasets.Dataset.from_dict(both), "test": datasets.Dataset.from_dict(both)})
    parts.save_to_disk(str(tmp_path / "parts"))
    with pytest.raises(SparsightError, match="holds train, test: give a part"):
        opened("datasets", str(tmp_path / "parts"))
    with pytest.raises(SparsightError, match="has the columns a, b: name one"):
        opened("datasets", str(tmp_path / "parts"), part="test")
    with pytest.raises(SparsightError, match="has no column 'c'"):
        opened("datasets", str(tmp_path / "parts"), part="test", column="c")
    assert opened("datasets", str(tmp_path / "parts"), part="test", column="b").gather(torch.tensor([0]))[0, 0] == 1
    group = zarr.open_group(str(tmp_path / "group"), mode="w")
    for name in both:
        group.create_array(name, data=X)
    with pytest.raises(SparsightError, match="holds a, b: give a key"):
        opened("zarr", str(tmp_path / "group"))
    assert len(opened("zarr", str(tmp_path / "group"), key="a")) == 10


RAGGED = [[1.0, 2.0], [3.0, 4.0], [5.0]]


def test_rows_of_different_lengths_and_of_no_numbers_are_refused(tmp_path: Path) -> None:
    for rows in (RAGGED, [[1.0], None, [2.0]], [["a"], ["b"], ["c"]], [[1.0]] * 3 + [[1.0, 2.0]] * 3):
        with pytest.raises(SparsightError, match=r"no numbers of one length|give each the same"):
            opened("parquet", parquet(tmp_path, {"vector": rows}))
    path = saved(tmp_path, vector=RAGGED)
    with pytest.raises(SparsightError, match=r"have \[1\] numbers, and the first has \[2\]"):
        opened("datasets", path).gather(torch.tensor([2]))
    with pytest.raises(SparsightError, match="no numbers of one length"):
        opened("datasets", path).gather(torch.tensor([0, 2]))
    with pytest.raises(SparsightError, match="give rows of numbers"):
        opened("zarr", array(tmp_path, np.arange(5.0)))


@pytest.mark.parametrize("name", ["parquet", "datasets", "zarr"])
def test_what_is_missing_damaged_or_empty_is_one_sentence(name: str, tmp_path: Path) -> None:
    with pytest.raises(SparsightError, match=r"there is no (file|folder)"):
        opened(name, str(tmp_path / "nowhere"))
    path = {"parquet": "a.parquet", "datasets": "a/dataset_info.json", "zarr": "b/zarr.json"}[name]
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).write_text("{")
    with pytest.raises(SparsightError, match="is damaged"):
        opened(name, str(tmp_path / path if name == "parquet" else (tmp_path / path).parent))


def test_what_is_empty_has_no_samples(tmp_path: Path) -> None:
    none = pyarrow.schema([("x", pyarrow.list_(pyarrow.float32()))])
    for name, path in (
        ("parquet", parquet(tmp_path, {"x": []}, none)),
        ("zarr", array(tmp_path, np.zeros((0, 4), np.float32))),
    ):
        with pytest.raises(SparsightError, match="holds 0 samples"):
            opened(name, path)


@pytest.mark.parametrize(
    ("name", "extra"), [("parquet", "pyarrow.parquet"), ("datasets", "datasets"), ("zarr", "zarr")]
)
def test_a_missing_extra_names_the_command(
    name: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, extra, None)
    with pytest.raises(SparsightError, match=r"is not installed: pip install \"sparsight\[(tables|datasets|zarr)\]\""):
        opened(name, str(tmp_path))
