import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from PIL import Image
from safetensors.numpy import save_file

from sparsight.core import Source
from sparsight.distributed import World
from sparsight.errors import SparsightError
from sparsight.sources import open_source
from sparsight.spec import build, names

dice = np.random.default_rng(0)
TABLE = dice.random((30, 4)).astype(np.float32)
PICTURES = dice.integers(0, 256, (30, 5, 6), dtype=np.uint8)


def write_idx(path: Path, array: np.ndarray) -> Path:
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    content = head + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def write_pictures(folder: Path) -> Path:
    for n, picture in enumerate(PICTURES):
        (folder / "ab"[n % 2]).mkdir(exist_ok=True, parents=True)
        Image.fromarray(picture).save(folder / "ab"[n % 2] / f"{n:02}.png")
    return folder


EXAMPLES: dict[str, Callable[[Path], Source]] = {
    "arrays": lambda folder: build(
        "source", "arrays", data=TABLE, weight=np.arange(30) + 1.0, labels=np.arange(30) % 3
    ),
    "digits": lambda folder: build("source", "digits").take(torch.arange(30)),
    "idx": lambda folder: build(
        "source",
        {
            "name": "idx",
            "path": str(write_idx(folder / "i.gz", PICTURES)),
            "labels": str(write_idx(folder / "l", np.arange(30) % 4)),
        },
    ),
    "images": lambda folder: build("source", {"name": "images", "path": str(write_pictures(folder / "pictures"))}),
}


@pytest.fixture(params=names("source"))
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    assert request.param in EXAMPLES, "a new source needs an example here"
    return EXAMPLES[request.param](tmp_path)


def rows(source: Source, steps: int, start: int = 0, **more: Any) -> list[torch.Tensor]:
    stream = source.batches(8, 0, start, **more)
    return [next(stream).inputs for _ in range(steps)]


def test_batches_are_a_function_of_seed_and_step(source: Source) -> None:
    torch.testing.assert_close(rows(source, 3, start=5), rows(source, 8)[5:])
    assert not torch.equal(next(source.batches(8, 1)).inputs, rows(source, 1)[0])


def test_every_sample_is_seen_once_in_an_epoch(source: Source) -> None:
    stream = source.batches(8, 0)
    seen = torch.cat([next(stream).ids for _ in range(15)])  # 120 samples, four epochs of 30
    for epoch in seen.split(30):
        assert sorted(epoch.tolist()) == list(range(30))


def test_processes_share_each_batch(source: Source) -> None:
    whole = rows(source, 4)
    for rank in (0, 1):
        for part, batch in zip(rows(source, 4, world=World(rank, 2)), whole, strict=True):
            torch.testing.assert_close(part, batch[rank::2])
    with pytest.raises(SparsightError, match="a batch of 8 cannot be shared by 3 processes"):
        next(source.batches(8, 0, world=World(0, 3)))


def test_a_split_is_disjoint_and_complete(source: Source) -> None:
    kept, held = source.split(0.2, 0)
    assert held is not None
    assert (len(kept), len(held)) == (24, 6)
    both = torch.cat([s.gather(torch.arange(len(s))) for s in (kept, held)])
    whole = source.gather(torch.arange(30))
    torch.testing.assert_close(both.unique(dim=0), whole.unique(dim=0))
    assert source.split(0.0, 0) == (source, None)


def test_a_part_keeps_rows_labels_and_weights_together(source: Source) -> None:
    ids = torch.tensor([7, 3, 20])
    part = source.take(torch.tensor([3, 20, 7])).take(torch.tensor([2, 0, 1]))
    torch.testing.assert_close(part.gather(torch.arange(3)), source.gather(ids))
    for column in ("labels", "weights"):
        whole, some = getattr(source, column)(), getattr(part, column)()
        assert whole is None or torch.equal(some, whole[ids])


def test_rows_are_float32_and_the_fingerprint_knows_every_value(source: Source) -> None:
    found = source.gather(torch.tensor([1, 2]))
    assert found.dtype == torch.float32
    assert found.shape == (2, source.schema.n_inputs)
    assert source.fingerprint() == source.take(torch.arange(30)).fingerprint()
    assert source.fingerprint() != source.take(torch.arange(30).flip(0)).fingerprint()


def test_a_sample_can_be_looked_at(source: Source) -> None:
    example = source.show(4)
    np.testing.assert_array_equal(example.values, source.gather(torch.tensor([4]))[0].numpy())
    assert (example.label is None) == (source.labels() is None)


def test_the_embedded_digits_are_stratified_and_of_mnist() -> None:
    train, test = build("source", "digits"), build("source", {"name": "digits", "part": "test"})
    for source, each in ((train, 1000), (test, 200)):
        labels = source.labels()
        assert labels is not None
        assert torch.bincount(labels).tolist() == [each] * 10
        assert len(set(source.index.tolist())) == len(source)
        pixels = source.gather(torch.arange(len(source)))
        assert pixels.min() == 0
        assert pixels.max() == 1
    assert len(train.test_part()) == 2000
    assert test.test_part() is None


def test_mnists_folder_opens_with_its_labels_and_its_test_part(tmp_path: Path) -> None:
    for stem, n in (("train", 30), ("t10k", 10)):
        write_idx(tmp_path / f"{stem}-images-idx3-ubyte.gz", PICTURES[:n])
        write_idx(tmp_path / f"{stem}-labels-idx1-ubyte", np.arange(n) % 4)
    source = build("source", open_source(str(tmp_path)))
    assert source.schema.shape == (5, 6)
    assert source.labels().tolist() == (np.arange(30) % 4).tolist()
    np.testing.assert_allclose(source.gather(torch.tensor([2]))[0], PICTURES[2].ravel() / 255, rtol=1e-6)
    assert len(source.test_part()) == 10
    assert source.test_part().test_part() is None


def test_a_folder_of_pictures_has_its_folders_as_classes(tmp_path: Path) -> None:
    source = build("source", open_source(str(write_pictures(tmp_path / "p"))))
    assert source.schema.classes == ("a", "b")
    assert source.schema.shape == (5, 6)
    coloured = build("source", {"name": "images", "path": str(tmp_path / "p"), "grey": False, "size": [4, 3]})
    assert coloured.schema.shape == (4, 3, 3)
    assert coloured.gather(torch.arange(30)).max() <= 1


@pytest.mark.parametrize("suffix", ["npy", "npz", "csv", "safetensors"])
def test_files_of_numbers_are_read_as_they_are(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{suffix}"
    if suffix == "npy":
        np.save(path, TABLE.astype(np.float64))
    elif suffix == "npz":
        np.savez(path, only=TABLE)
    elif suffix == "csv":
        lines = ["height,width,depth,mass", *(",".join(str(v) for v in row) for row in TABLE)]
        path.write_text("\n".join(lines))
    else:
        save_file({"only": TABLE}, path)
    source = build("source", open_source(str(path)))
    np.testing.assert_allclose(source.gather(torch.arange(30)), TABLE, rtol=1e-6)
    assert source.schema.names == (("height", "width", "depth", "mass") if suffix == "csv" else None)
    if suffix == "npy":
        assert isinstance(source.base, np.memmap)


@pytest.mark.parametrize(
    "data",
    [
        TABLE,
        TABLE.astype(np.float16),
        torch.from_numpy(TABLE).double(),
        sp.csc_matrix(TABLE),
        sp.coo_array(TABLE),
        TABLE[::2],
    ],
)
def test_what_is_in_memory_is_taken_as_it_is(data: Any) -> None:
    wanted = TABLE if data.shape[0] == 30 else TABLE[::2]
    source = build("source", "arrays", data=data)
    np.testing.assert_allclose(source.gather(torch.arange(len(source))), wanted, rtol=1e-3, atol=1e-3)


def test_read_only_and_integer_arrays_and_pictures() -> None:
    fixed = TABLE.copy()
    fixed.flags.writeable = False
    np.testing.assert_array_equal(build("source", "arrays", data=fixed).gather(torch.arange(30)), TABLE)
    source = build("source", "arrays", data=PICTURES)
    assert source.schema.shape == (5, 6)
    assert source.gather(torch.tensor([0])).max() > 1, "values are never rescaled"
    weights = build("source", "arrays", data=TABLE, weight=np.arange(30)).weights()
    assert float(weights.mean()) == pytest.approx(1)


def bad(folder: Path) -> dict[str, tuple[dict[str, Any], str]]:
    """Mistakes by name: the knobs, and what is said."""
    files = {
        "empty.npy": b"",
        "cut.npy": b"\x93NUMPY\x01\x00v",
        "cut.npz": b"PK\x03\x04 cut",
        "cut.safetensors": b"\xff\x00\x00",
        "ragged.csv": b"a,b\n1,2\n3\n",
        "gap.csv": b"a,b\n1,2\n3,\n",
        "text.csv": b"a,b\n1,2\n3,red\n",
        "empty.csv": b"",
        "one.txt": b"1 2 3",
        "short-idx3-ubyte": bytes([0, 0, 8, 3, 0, 0, 0, 9, 0, 0, 0, 2, 0, 0, 0, 2]) + bytes(8),
        "magic-idx3-ubyte": b"hello there, this is no idx file",
        "cut-idx3-ubyte.gz": gzip.compress(bytes(1000))[:20],
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    np.savez(folder / "two.npz", a=TABLE, b=TABLE)
    np.save(folder / "pickled.npy", np.array([{}, []], dtype=object), allow_pickle=True)
    write_pictures(folder / "sizes")
    Image.fromarray(PICTURES[0, :3]).save(folder / "sizes" / "z.png")
    (folder / "damaged").mkdir()
    (folder / "damaged" / "x.png").write_bytes(b"no picture")
    (folder / "nothing").mkdir()

    def at(name: str) -> dict[str, Any]:
        return {"name": "arrays", "path": str(folder / name)}

    def idx(name: str) -> dict[str, Any]:
        return {"name": "idx", "path": str(folder / name)}

    memory = {"name": "arrays", "data": TABLE}
    return {
        "missing": (at("gone.npy"), "there is no file"),
        "empty npy": (at("empty.npy"), "is empty"),
        "cut npy": (at("cut.npy"), "is damaged, cut off or no .npy file"),
        "cut npz": (at("cut.npz"), "is damaged, cut off or no .npz file"),
        "cut safetensors": (at("cut.safetensors"), "is damaged, cut off or no .safetensors file"),
        "pickled": (at("pickled.npy"), "is damaged, cut off or no .npy file"),
        "ragged": (at("ragged.csv"), "line 3 of .* has 1 values and not 2"),
        "gap": (at("gap.csv"), "line 3, column 'b' of .*: a value is missing"),
        "text": (at("text.csv"), "line 3, column 'b' of .*: 'red' is no number"),
        "empty csv": (at("empty.csv"), "is empty"),
        "unknown": (at("one.txt"), "cannot be read: these can"),
        "no key": (at("two.npz"), "holds a, b: give a key"),
        "wrong key": ({**at("two.npz"), "key": "c"}, "holds a, b: there is no 'c'"),
        "short idx": (idx("short-idx3-ubyte"), "says it holds 36 bytes and holds 8"),
        "no idx": (idx("magic-idx3-ubyte"), "is no IDX file"),
        "cut gzip": (idx("cut-idx3-ubyte.gz"), "is damaged or cut off"),
        "sizes": (
            {"name": "images", "path": str(folder / "sizes")},
            "z.png.* has 3 × 6 pixels and the first picture 5 × 6",
        ),
        "damaged": ({"name": "images", "path": str(folder / "damaged")}, "x.png.* cannot be read"),
        "no pictures": ({"name": "images", "path": str(folder / "nothing")}, "holds no pictures"),
        "no folder": ({"name": "images", "path": str(folder / "gone")}, "there is no folder"),
        "nothing given": ({"name": "arrays"}, "takes a path or data in memory"),
        "no samples": ({**memory, "data": TABLE[:0]}, "holds 0 samples"),
        "no columns": ({**memory, "data": TABLE[:, :0]}, "holds 0 columns"),
        "a list": ({**memory, "data": TABLE[0]}, "is a list of 4 numbers: give rows"),
        "objects": ({**memory, "data": np.array([[{}, []]], dtype=object)}, "holds values of type object"),
        "strings": ({**memory, "data": np.array([["a", "b"]])}, "holds values of type <U1"),
        "complex": ({**memory, "data": TABLE + 1j}, "holds values of type complex"),
        "labels": ({**memory, "labels": np.arange(29)}, "holds 30 samples and 29 labels"),
        "weights": ({**memory, "weight": np.ones(31)}, "holds 30 samples and 31 weights"),
        "negative": ({**memory, "weight": -np.ones(30)}, "weights must be finite, not negative"),
        "shape": ({**memory, "shape": [2, 3]}, r"has 4 columns, which cannot have the shape \[2, 3\]"),
        "names": ({**memory, "names": ["a"]}, "has 4 columns and 1 names"),
    }


def test_a_mistake_is_one_sentence(tmp_path: Path) -> None:
    for name, (spec, said) in bad(tmp_path).items():
        with pytest.raises(SparsightError, match=said) as caught:
            build("source", spec)
        assert "\n" not in str(caught.value), name


def test_what_opens_a_path_is_found_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    assert open_source("digits") == {"name": "digits"}
    with pytest.raises(SparsightError, match="there is no file or folder 'digit'; did you mean 'digits'"):
        open_source("digit")
    (tmp_path / "x.json").write_text(json.dumps({}))
    with pytest.raises(SparsightError, match=r"nothing reads .*: give \.npy"):
        open_source(str(tmp_path / "x.json"))
