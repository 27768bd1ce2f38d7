import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from safetensors.numpy import save_file
from test_idx import write_mnist
from test_images import write_pictures

from sparsight.errors import SparsightError
from sparsight.sources import known, open_source
from sparsight.spec import build

TABLE = np.ones((3, 2), np.float32)


def test_the_digits_open_by_their_name() -> None:
    assert open_source("digits") == {"name": "digits"}


def test_every_kind_of_file_finds_its_source(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", TABLE)
    np.savez(tmp_path / "x.npz", a=TABLE)
    save_file({"a": TABLE}, tmp_path / "x.safetensors")
    (tmp_path / "x.CSV").write_text("1,2\n3,4\n")
    (tmp_path / "x.tsv").write_text("1\t2\n3\t4\n")
    parquet.write_table(pa.table({"a": [1], "b": [2]}), tmp_path / "x.parquet")
    for name in ("x.npy", "x.npz", "x.safetensors", "x.CSV", "x.tsv", "x.parquet"):
        path = str(tmp_path / name)
        source = "arrays" if name in ("x.npy", "x.npz", "x.safetensors") else "tables"
        assert open_source(path) == {"name": source, "path": path}
        assert build("source", open_source(path)).schema.n_inputs == 2


def test_mnists_folder_opens_its_training_images(tmp_path: Path) -> None:
    wanted = {"name": "idx", "path": str(write_mnist(tmp_path) / "train-images-idx3-ubyte.gz")}
    assert open_source(str(tmp_path)) == wanted
    assert open_source(wanted["path"]) == wanted
    write_pictures(tmp_path / "samples")
    assert open_source(str(tmp_path)) == wanted, "pictures beside MNIST's files change nothing"


def test_a_folder_of_pictures_opens_as_one(tmp_path: Path) -> None:
    path = str(write_pictures(tmp_path))
    assert open_source(path) == {"name": "images", "path": path}


@pytest.mark.parametrize("name", ["x", "x.npy", "x.csv", "x-idx3-ubyte"])
def test_what_is_not_there_is_said_whatever_its_name(name: str, tmp_path: Path) -> None:
    path = str(tmp_path / name)
    with pytest.raises(SparsightError) as caught:
        open_source(path)
    assert str(caught.value).startswith(f"there is no file or folder {path!r}")


def test_a_misspelt_name_is_answered_with_what_was_meant() -> None:
    with pytest.raises(SparsightError, match="there is no file or folder 'digit'; did you mean 'digits'"):
        open_source("digit")
    with pytest.raises(SparsightError, match="did you mean 'mnist'"):
        open_source("mnst")


def test_what_nothing_reads_is_answered_with_what_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps({}))
    (tmp_path / "folder.npy").mkdir()
    for name in ("x.json", "folder.npy"):
        with pytest.raises(
            SparsightError, match=r"nothing reads .*: give \.npy, \.npz, \.safetensors, \.csv, \.parquet"
        ):
            open_source(str(tmp_path / name))


def test_what_was_fetched_opens_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARSIGHT_DATA", str(tmp_path))
    assert "mnist" not in known()
    for name in ("mnist", "fashion-mnist"):
        (tmp_path / name).mkdir(parents=True)
        write_mnist(tmp_path / name)
    source = build("source", open_source("mnist"))
    test = source.test_part()
    assert len(source) == 12
    assert test is not None and len(test) == 4
    clothes = build("source", open_source("fashion-mnist"))
    assert clothes.show(3).label == "dress"
    assert clothes.test_part().show(3).label == "dress"
    assert {"mnist", "fashion-mnist"} <= set(known())


def test_a_file_of_the_same_name_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mnist").mkdir()
    write_mnist(tmp_path / "mnist")
    assert open_source("mnist") == {"name": "idx", "path": "mnist/train-images-idx3-ubyte.gz"}
