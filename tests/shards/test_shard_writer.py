"""What a writer of shards promises, killed or not."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sparsight.errors import SparsightError
from sparsight.shards import Shards, ShardWriter, open_folder

COLUMNS: dict[str, Any] = {"x": ("float32", 3), "item": "int32"}


def rows(first: int, n: int) -> dict[str, Tensor]:
    numbers = torch.arange(first, first + n)
    return {"x": numbers[:, None] + torch.tensor([0.0, 0.25, 0.5]), "item": numbers}


def written(folder: Path, n: int, *, at_once: int = 3, **more: Any) -> ShardWriter:
    """Rows 0 to n, marked with the number of the next one after every few."""
    writer = ShardWriter(folder, COLUMNS, rows_per_shard=5, **more)
    for first in range(0, n, at_once):
        writer.append(**rows(first, at_once))
        writer.mark(first + at_once)
    return writer


def read(folder: Path, column: str = "item") -> list[Any]:
    return Shards(open_folder(folder)).whole(column).tolist()


@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16", "uint8"])
def test_rows_come_back_as_they_were_stored(kind: str, tmp_path: Path) -> None:
    x = torch.randint(0, 256, (40, 3), generator=torch.Generator().manual_seed(0)).to(getattr(torch, kind))
    with ShardWriter(tmp_path, {"x": (kind, 3)}, rows_per_shard=7) as writer:
        for part in x.split(4):
            writer.append(x=part)
            writer.mark()
    shards = Shards(open_folder(tmp_path))
    assert torch.equal(shards.whole("x"), x)
    for ids in ([], [39], [3, 4, 5, 6, 7, 8], [39, 0, 8, 7, 7, 20]):
        assert torch.equal(shards.read("x", np.array(ids, np.int64)), x[ids])


def test_files_are_plain_little_endian_numbers_that_any_program_reads(tmp_path: Path) -> None:
    written(tmp_path, 12).close()
    said = json.loads((tmp_path / "index-0.json").read_text())
    assert [shard["rows"] for shard in said["shards"]] == [6, 6]
    found = np.concatenate([np.fromfile(tmp_path / f"0-{n:05d}.x", "<f4").reshape(-1, 3) for n in range(2)])
    np.testing.assert_array_equal(found, torch.cat([rows(0, 12)["x"]]).numpy())


def test_shards_end_at_marks_alone_and_keep_their_notes(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, COLUMNS, rows_per_shard=5)
    writer.append(**rows(0, 20))
    assert writer.last is None and writer.rows == 20
    writer.mark({"next": 20})
    writer.append(**rows(20, 2))
    writer.mark({"next": 22})
    assert writer.last == {"next": 20}
    writer.close()
    assert writer.last == {"next": 22}
    assert [part.shard.rows for part in open_folder(tmp_path).parts] == [20, 2]


def test_whoever_is_killed_loses_the_shard_under_way_and_no_other(tmp_path: Path) -> None:
    code = (
        "import os, sys, torch\n"
        "from sparsight.shards import ShardWriter\n"
        "writer = ShardWriter(sys.argv[1], {'x': ('float32', 3), 'item': 'int32'}, rows_per_shard=5)\n"
        "for first in range(0, 15, 3):\n"
        "    writer.append(x=torch.zeros(3, 3), item=torch.arange(first, first + 3))\n"
        "    writer.mark(first + 3)\n"
        "os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == 9
    assert not open_folder(tmp_path).complete
    assert read(tmp_path) == list(range(12)), "15 were added, and the last three were in no complete shard"
    writer = ShardWriter(tmp_path, COLUMNS, rows_per_shard=5, resume=True)
    assert (writer.last, writer.rows, writer.complete) == (12, 12, False)
    for first in range(writer.last, 21, 3):
        writer.append(**rows(first, 3))
        writer.mark(first + 3)
    writer.close()
    assert read(tmp_path) == list(range(21)), "none lost, none doubled"
    assert open_folder(tmp_path).complete
    assert ShardWriter(tmp_path, COLUMNS, resume=True).complete


def test_many_write_into_one_folder(tmp_path: Path) -> None:
    second = ShardWriter(tmp_path, COLUMNS, writer="b")
    first = written(tmp_path, 6, writer="a")
    second.append(**rows(100, 3))
    first.close()
    assert not open_folder(tmp_path).complete
    second.close()
    assert read(tmp_path) == [*range(6), 100, 101, 102]
    assert open_folder(tmp_path).complete


def test_an_error_in_between_leaves_what_was_complete(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), ShardWriter(tmp_path, COLUMNS, rows_per_shard=5) as writer:  # noqa: PT012
        writer.append(**rows(0, 6))
        writer.mark()
        writer.append(**rows(6, 2))
        raise RuntimeError
    assert read(tmp_path) == list(range(6))
    assert not open_folder(tmp_path).complete
    assert not list(tmp_path.glob("0-00001*")), "the shard under way is gone"


def test_a_full_disk_is_one_sentence_and_what_was_complete_is_kept(tmp_path: Path) -> None:
    writer = written(tmp_path, 6)

    class Full:
        def write(self, content: bytes) -> None:
            raise OSError(28, "No space left on device")

        def close(self) -> None: ...

    writer.append(**rows(6, 1))
    writer._files["item"].close()
    writer._files["item"] = Full()  # type: ignore[assignment]
    with pytest.raises(SparsightError, match=r"No space left on device; the 6 rows that are complete are kept"):
        writer.append(**rows(7, 1))
    with pytest.raises(SparsightError, match="is closed"):
        writer.append(**rows(7, 1))
    assert read(tmp_path) == list(range(6))
    again = ShardWriter(tmp_path, COLUMNS, resume=True)
    again.append(**rows(again.last, 4))
    again.close()
    assert read(tmp_path) == list(range(10))


def test_a_row_that_the_type_cannot_hold_is_refused_with_its_number(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, {"x": ("float16", 2), "item": "int32"})
    writer.append(x=torch.zeros(10, 2), item=torch.zeros(10, dtype=torch.long))
    for bad, said in (
        (float("nan"), "1 of the 3 rows .* hold NaN or infinity.* row 11"),
        (-float("inf"), "hold NaN or infinity"),
        (1e5, "1 of the 3 rows .* beyond float16: write float32 or bfloat16 .* row 11"),
    ):
        x = torch.zeros(3, 2)
        x[1, 1] = bad
        with pytest.raises(SparsightError, match=said):
            writer.append(x=x, item=torch.zeros(3, dtype=torch.long))
    with pytest.raises(SparsightError, match="hold numbers that are no int32"):
        writer.append(x=torch.zeros(3, 2), item=torch.full((3,), 2**31))
    writer.close()
    assert read(tmp_path) == [0] * 10, "all or none of the rows are added"


@pytest.mark.parametrize("bad", [torch.tensor([[256]]), torch.tensor([[0.5]]), torch.tensor([[-1]])])
def test_bytes_are_whole_numbers_below_256(bad: Tensor, tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, {"x": ("uint8", 1)})
    with pytest.raises(SparsightError, match="no uint8"):
        writer.append(x=bad)
    writer.append(x=torch.tensor([[255]]))
    writer.close()
    assert read(tmp_path, "x") == [[255]]


def test_rows_of_another_shape_are_refused(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, COLUMNS)
    with pytest.raises(SparsightError, match=r"x is \[2, 4\] and not \[2, 3\]"):
        writer.append(x=torch.zeros(2, 4), item=torch.zeros(2, dtype=torch.long))
    with pytest.raises(SparsightError, match=r"item is \[3\] and not \[2\]"):
        writer.append(x=torch.zeros(2, 3), item=torch.zeros(3, dtype=torch.long))
    with pytest.raises(SparsightError, match="rows have x and not item, x"):
        writer.append(x=torch.zeros(2, 3))


def test_a_writer_fits_its_folder(tmp_path: Path) -> None:
    writer = written(tmp_path, 6, about={"at": "layer.3", "model": "m"})
    with pytest.raises(SparsightError, match=r"another process writes to .* as '0'"):
        ShardWriter(tmp_path, COLUMNS, resume=True)
    writer.close()
    with pytest.raises(SparsightError, match="has shards of the writer '0' already: resume it"):
        ShardWriter(tmp_path, COLUMNS)
    with pytest.raises(SparsightError, match="were written with another at: resume with the same"):
        ShardWriter(tmp_path, COLUMNS, resume=True, about={"at": "layer.4", "model": "m"})
    with pytest.raises(SparsightError, match=r"x \(float32 × 3\), item \(int32\), and not x \(float32 × 4\)"):
        ShardWriter(tmp_path, {"x": ("float32", 4), "item": "int32"}, writer="1")
    assert read(tmp_path) == list(range(6))


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"item": "int32"}, "needs a column x"),
        ({"x": ("int32", 4)}, "needs a column x of float32"),
        ({"x": "float32"}, "needs a column x"),
        ({"x": ("float64", 4)}, "cannot hold float64"),
        ({"x": ("float32", 0)}, "cannot hold float32 × 0"),
        ({"x": ("float32", 4), "item": "float32"}, "all but x are int32 or int64"),
        ({"x": ("float32", 4), "../item": "int32"}, "cannot have a column '../item'"),
    ],
)
def test_columns_that_no_folder_can_have_are_refused(columns: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(SparsightError, match=said):
        ShardWriter(tmp_path, columns)
    assert not list(tmp_path.iterdir())


def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SparsightError, match=r"cannot be called '\.\./a'"):
        ShardWriter(tmp_path, COLUMNS, writer="../a")
    with pytest.raises(SparsightError, match="must be JSON"):
        ShardWriter(tmp_path, COLUMNS, about={"when": float("nan")})
    (tmp_path / "file").write_text("")
    with pytest.raises(SparsightError, match="cannot write to"):
        ShardWriter(tmp_path / "file", COLUMNS)
