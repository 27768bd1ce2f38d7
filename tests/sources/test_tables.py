import sys
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from pyarrow import parquet

from sparsight.errors import SparsightError
from sparsight.job import Recipe, prepare
from sparsight.sources.tables import Tables

FRAME = pd.DataFrame(
    {
        "size": [1.5, 2.0, np.nan, 4.0, 5.0],
        "colour": ["red", "blue", None, "red", "red"],
        "sold": [True, False, True, True, False],
        "floor": [3, 4, 3, 5, 3],
    }
)
TEXT = "size,colour,sold,floor\n1.5,red,true,3\n2.0,blue,False,4\n, NA ,true,3\n4.0,red,true,5\n5, red ,false,3\n"


def written(folder: Path, suffix: str) -> str:
    path = folder / f"x.{suffix}"
    if suffix == "parquet":
        parquet.write_table(pa.table(FRAME), path)
    else:
        path.write_text(TEXT.replace(",", "\t") if suffix == "tsv" else TEXT)
    return str(path)


STORED: dict[str, Callable[[Path], dict[str, Any]]] = {
    "csv": lambda folder: {"path": written(folder, "csv")},
    "tsv": lambda folder: {"path": written(folder, "tsv")},
    "parquet": lambda folder: {"path": written(folder, "parquet")},
    "pandas": lambda folder: {"data": FRAME.set_index(pd.Index([7, 7, 8, 9, 3]))},
    "polars": lambda folder: {"data": pl.from_pandas(FRAME)},
    "arrow": lambda folder: {"data": pa.table(FRAME)},
    "arrow in parts": lambda folder: {"data": pa.concat_tables([pa.table(FRAME[:2]), pa.table(FRAME[2:])])},
}


def all_of(source: Any) -> list[list[float]]:
    return source.gather(torch.arange(len(source))).tolist()


@pytest.mark.parametrize("stored", STORED)
def test_every_kind_of_table_is_the_same_source(stored: str, tmp_path: Path) -> None:
    source = Tables(**STORED[stored](tmp_path), missing="zero")
    assert source.schema.names == ("size", "colour=blue", "colour=red", "sold", "floor")
    assert all_of(source) == [
        [1.5, 0, 1, 1, 3],
        [2.0, 1, 0, 0, 4],
        [0.0, 0, 0, 1, 3],
        [4.0, 0, 1, 1, 5],
        [5.0, 0, 1, 0, 3],
    ]
    reference = Tables(data=pa.table(FRAME), missing="zero")
    assert source.fingerprint() == reference.fingerprint()


@pytest.mark.parametrize("stored", STORED)
def test_labels_weights_and_groups_are_no_inputs(stored: str, tmp_path: Path) -> None:
    source = Tables(**STORED[stored](tmp_path), label="colour", weight="floor", group="sold", missing="zero")
    assert source.schema.names == ("size",)
    labels, weights, groups = source.labels(), source.weights(), source.groups()
    assert labels is not None and weights is not None and groups is not None
    assert source.schema.classes == ("blue", "red")
    assert labels.tolist() == [1, 0, -1, 1, 1]
    np.testing.assert_allclose(weights, np.array([3, 4, 3, 5, 3]) / 3.6)
    assert groups[0] == groups[2] == groups[3] != groups[1]


@pytest.mark.parametrize("stored", STORED)
def test_numbers_can_be_categories_and_columns_left_out(stored: str, tmp_path: Path) -> None:
    source = Tables(**STORED[stored](tmp_path), categories=["floor"], leave_out=["size", "colour"])
    assert source.schema.names == ("sold", "floor=3", "floor=4", "floor=5")
    assert all_of(source)[1] == [0, 0, 1, 0]


def test_true_and_false_can_be_categories() -> None:
    source = Tables(data=FRAME[["sold"]], categories=["sold"])
    assert source.schema.names == ("sold=False", "sold=True")
    assert all_of(source)[0] == [0, 1]


def test_given_categories_make_the_same_inputs_of_another_table(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("colour\nred\nblue\n")
    source = Tables(path=str(path), categories={"colour": ["green", "red", "blue"]})
    assert source.schema.names == ("colour=green", "colour=red", "colour=blue")
    assert all_of(source) == [[0, 1, 0], [0, 0, 1]]
    refused("column 'colour' of .* has 'blue', which is none of the categories red", path=str(path),
            categories={"colour": ["red"]})  # fmt: skip


def test_categories_of_a_data_frame_keep_their_order_and_those_without_a_row() -> None:
    sizes = pd.Categorical(["S", "L", None], categories=["S", "M", "L"])
    source = Tables(data=pd.DataFrame({"size": sizes}), missing="zero")
    assert source.schema.names == ("size=S", "size=M", "size=L")
    assert all_of(source) == [[1, 0, 0], [0, 0, 1], [0, 0, 0]]


def test_labels_that_are_numbers_are_sorted_as_such(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("x,y\n1,10\n2,9\n3,\n")
    source = Tables(path=str(path), label="y")
    assert source.schema.classes == ("9", "10")
    for values in ([10, 9, None], [10.0, 9.0, np.nan]):
        source = Tables(data=pd.DataFrame({"x": [1, 2, 3], "y": values}), label="y")
        labels = source.labels()
        assert source.schema.classes == ("9", "10")
        assert labels is not None and labels.tolist() == [1, 0, -1]


# --- missing values ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("missing", "row"),
    [("zero", [0, 0, 0]), ("mean", [3.125, 0.25, 0.75]), ("median", [2, 0, 1])],
)
def test_missing_values_are_replaced_as_asked(missing: Any, row: list[float]) -> None:
    source = Tables(data=FRAME, missing=missing, leave_out=["sold", "floor"])
    assert all_of(source)[2] == row
    assert not source.gather(torch.arange(5)).isnan().any()


def test_a_weight_of_two_is_the_sample_twice() -> None:
    twice = pd.concat([FRAME[:4], FRAME[3:]], ignore_index=True)
    for missing in ("mean", "median"):
        weighed = Tables(data=FRAME.assign(w=[1, 1, 1, 2, 1]), weight="w", missing=missing)
        np.testing.assert_allclose(
            weighed.gather(torch.tensor([2])), Tables(data=twice, missing=missing).gather(torch.tensor([2]))
        )


@pytest.mark.parametrize("missing", ["mean", "median"])
def test_rows_that_are_held_out_have_no_part_in_what_stands_for_a_missing_value(missing: Any) -> None:
    x = np.arange(40, dtype=np.float64)
    x[::4] = np.nan
    for changed in (False, True):
        source = Tables(data=pd.DataFrame({"x": x, "n": np.arange(40)}), missing=missing)
        kept, held = source.split(0.25, 0)
        assert held is not None
        found = kept.gather(torch.arange(len(kept)))
        known = found[found[:, 1] % 4 != 0, 0]
        expected = known.mean() if missing == "mean" else known.median()
        for part in (kept, held):
            rows = part.gather(torch.arange(len(part)))
            torch.testing.assert_close(rows[rows[:, 1] % 4 == 0, 0].unique(), expected[None])
        assert changed == (float(rows[:, 0].max()) > 1e6)
        x[held.gather(torch.arange(len(held)))[:, 1].int().numpy()] += 1e7  # only what is held out
    job = prepare(Recipe.parse({"architecture": "topk", "n_latents": 4, "train": {"hold_out": 0.25}}), source)
    assert job.held_out is not None
    assert job.source.fingerprint() == kept.fingerprint()
    assert any(f"the {missing} is in the place of 10 missing values" in note for note in job.notes)


def test_what_stands_for_a_missing_value_is_part_of_the_fingerprint() -> None:
    assert len({Tables(data=FRAME, missing=missing).fingerprint() for missing in ("mean", "median", "zero")}) == 3


def test_missing_values_are_counted_and_their_columns_named(tmp_path: Path) -> None:
    refused(
        r"lacks 2 values \(1 in 'size', 1 in 'colour'; the first in line 4\): fill them in, leave .* or set missing to",
        path=written(tmp_path, "csv"),
    )
    refused(r"the table lacks 2 values \(1 in 'size', 1 in 'colour'\): fill", data=FRAME)
    refused("column 'x' of the table has no value at all", data=pd.DataFrame({"x": [None, None]}), missing="mean")


# --- bad input --------------------------------------------------------------------------------------------------------


def refused(said: str, **knobs: Any) -> None:
    with pytest.raises(SparsightError, match=said) as caught:
        Tables(**knobs)
    assert "\n" not in str(caught.value)


def test_columns_of_a_csv_are_named_by_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('\ufeffheight,"weight, kg",\n\n1,2,3\n 3 ,4e0,5\n', encoding="utf-8")
    source = Tables(path=str(path))
    assert source.schema.names == ("height", "weight, kg", "column 2")
    assert all_of(source) == [[1, 2, 3], [3, 4, 5]]


def test_a_csv_of_numbers_alone_has_no_header(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("1,2\n3,4\n")
    source = Tables(path=str(path))
    assert all_of(source) == [[1, 2], [3, 4]]
    assert source.schema.names == ("column 0", "column 1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n3\n", "line 3 of .* has 1 values and not 2"),
        ("a,b\n1,2\n3,4,5\n", "line 3 of .* has 3 values and not 2"),
        ('"a\nb",c\n1,2\n3\n', "line 4 of .* has 1 values and not 2"),
        ("a,b\n1,2\n\n3,\n", r"lacks 1 values \(1 in 'b'; the first in line 4\)"),
        ("1,,3\n4,5,6\n", r"lacks 1 values \(1 in 'column 1'; the first in line 1\)"),
        ("a,b\n1,2\n1,nan\n1,\n", r"lacks 2 values \(2 in 'b'\): fill"),
        ("a,b\n1,2\n3,red\n", "line 3, column 'b' of .*: 'red' is no number, as those before are: mend it, leave"),
        ("a,b\n1,red\n3,2\n", "line 3, column 'b' of .*: '2' is a number where there were words before: mend it"),
        ("a,b\n1,2020-01-31\n", "line 2, column 'b' of .*: '2020-01-31' is a date or a time: make it a number"),
        ("a,b\n1,31.1.2020 7:00\n", "'31.1.2020 7:00' is a date or a time"),
        ("a,a\n1,2\n", "has two columns named 'a': rename one"),
        ("a,b\n", "holds 0 samples"),
        ("\n\n", "is empty"),
        ("", "is empty"),
        ("a\n" + "1" * 200_000, "is damaged"),
        ("a\n" + "\n".join(f"id {n}" for n in range(51)), "column 'a' of .* has 51 categories, such as 'id 0'"),
    ],
)
def test_a_mistake_in_a_csv_is_named_by_line_and_column(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    refused(said, path=str(path))


def test_a_date_may_be_a_category(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("day,n\n2020-01-31,1\n2020-02-01,2\n")
    assert Tables(path=str(path), categories=["day"]).schema.names == ("day=2020-01-31", "day=2020-02-01", "n")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (pd.DataFrame({"day": pd.to_datetime(["2020-01-31"])}), "column 'day' of the table holds dates or times"),
        (pl.DataFrame({"took": [timedelta(seconds=3)]}), "column 'took' of the table holds dates or times"),
        (pd.DataFrame({"x": [[1], [2]]}), "column 'x' of the table holds values of type list"),
        (pd.DataFrame({"x": [1, "a"]}), "a column of the table holds values of different types .*column x"),
        (pd.DataFrame({"x": ["a", 1]}), "a column of the table holds values of different types .*column x"),
        (pd.DataFrame({"x": [f"id {n}" for n in range(99)]}), "column 'x' of the table has 99 categories"),
        (pd.DataFrame({"x": []}), "the table holds 0 samples"),
        (np.ones((2, 2)), "the table is of type ndarray: give a data frame"),
        (pd.DataFrame([[1, 2]], columns=pd.Index(["a", "a"])), "two columns named 'a'"),
    ],
)
def test_what_is_no_number_and_no_word_is_refused(data: Any, said: str) -> None:
    refused(said, data=data)


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({}, "takes a path or a table in memory: give one of the two"),
        ({"path": "gone.csv"}, "there is no file 'gone.csv'"),
        ({"path": __file__}, r"cannot be read: these tables can, \.csv, \.tsv, \.parquet"),
        ({"label": "color"}, "the table has no column 'color'; did you mean 'colour'"),
        ({"weight": "flor"}, "did you mean 'floor'"),
        ({"group": "sol"}, "did you mean 'sold'"),
        ({"leave_out": ["colours"]}, "did you mean 'colour'"),
        ({"categories": ["sizes"]}, "did you mean 'size'"),
        ({"weight": "colour"}, "column 'colour' of the table holds words: weights are numbers"),
        ({"weight": "size", "missing": "zero"}, "sample weights must be finite"),
        ({"group": "colour"}, "column 'colour' of the table lacks 1 values: fill them in"),
        ({"leave_out": list(FRAME)}, "the table holds 0 columns"),
        ({"missing": "mode"}, "missing should be 'refuse', 'mean', 'median' or 'zero'"),
        ({"most_categories": 1}, "most_categories should be greater than or equal to 2"),
    ],
)
def test_a_mistake_is_one_sentence(knobs: dict[str, Any], said: str) -> None:
    refused(said, **({"data": FRAME, **knobs} if knobs and "path" not in knobs else knobs))


def test_a_column_that_is_left_out_may_hold_anything(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("day,n\n2020-01-31,1\nred,2\n")
    assert all_of(Tables(path=str(path), leave_out=["day"])) == [[1], [2]]
    mixed = pd.DataFrame({"day": [1, "a"], "n": [1, 2]})
    assert all_of(Tables(data=mixed, leave_out=["day"])) == [[1], [2]]


def test_a_parquet_file_of_pandas_has_no_column_for_its_index(tmp_path: Path) -> None:
    FRAME.set_index(pd.Index([5, 6, 7, 8, 9])).to_parquet(tmp_path / "x.parquet")
    names = Tables(path=str(tmp_path / "x.parquet"), missing="zero").schema.names
    assert names == ("size", "colour=blue", "colour=red", "sold", "floor")


def test_a_parquet_file_cut_off_anywhere_is_named(tmp_path: Path) -> None:
    whole, path = Path(written(tmp_path, "parquet")).read_bytes(), tmp_path / "cut.parquet"
    for length in range(1, len(whole), 97):
        path.write_bytes(whole[:length])
        refused(r"cut\.parquet' is damaged, cut off or no \.parquet file", path=str(path))


def test_without_pyarrow_the_extra_is_named_and_a_csv_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    refused(r"need pyarrow: pip install 'sparsight\[tables\]'", data=FRAME)
    assert len(Tables(path=written(tmp_path, "csv"), missing="zero")) == 5


def test_rows_of_a_group_stay_together_when_some_are_held_out() -> None:
    frame = pd.DataFrame({"x": np.arange(60.0), "patient": np.repeat(np.arange(12), 5)})
    kept, held = Tables(data=frame, group="patient").split(0.25, 0)
    assert held is not None
    assert (len(kept), len(held)) == (45, 15)
    patients = [set((part.gather(torch.arange(len(part)))[:, 0] // 5).tolist()) for part in (kept, held)]
    assert not patients[0] & patients[1]


def test_many_numbers_of_a_csv_take_little_memory_beside_themselves(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    np.savetxt(
        path, np.random.default_rng(0).normal(size=(1000, 50)), "%.6f", ",", header=",".join(map(str, range(50)))
    )
    tracemalloc.start()
    source = Tables(path=str(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * source.base.numel() * 4
