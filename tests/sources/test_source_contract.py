"""What every registered source must do. A new source needs an example here; that is all."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from anndata import AnnData
from PIL import Image
from test_idx import write_idx
from test_images import write_pictures
from torch import nn

from sparsight.core import SAE, Example, Schema, Source
from sparsight.distributed import World
from sparsight.errors import SparsightError
from sparsight.run import Run
from sparsight.shards import ShardWriter
from sparsight.spec import build, names

N = 30


def pictures(changed: bool) -> np.ndarray:
    bytes_ = np.random.default_rng(0).integers(0, 256, (N, 5, 6), dtype=np.uint8)
    bytes_[20, 4, 5] ^= changed
    return bytes_


def arrays(folder: Path, changed: bool) -> Source:
    return build("source", "arrays", data=pictures(changed), weight=np.arange(N) + 1, labels=np.arange(N) % 3)


def digits(folder: Path, changed: bool) -> Source:
    return build("source", "digits").take(torch.tensor([*range(N - 1), 50 if changed else N - 1]))


def idx(folder: Path, changed: bool) -> Source:
    write_idx(folder / "labels-idx1-ubyte", np.arange(N) % 4)
    return build("source", {"name": "idx", "path": str(write_idx(folder / "images-idx3-ubyte", pictures(changed)))})


def images(folder: Path, changed: bool) -> Source:
    return build("source", {"name": "images", "path": str(write_pictures(folder, pictures(changed)))})


def patches(folder: Path, changed: bool) -> Source:
    bytes_ = np.random.default_rng(0).integers(0, 256, (10, 40, 40), dtype=np.uint8)
    bytes_[3] ^= changed
    for number, picture in enumerate(bytes_):
        Image.fromarray(picture).save(folder / f"{number}.png")
    return build("source", {"name": "patches", "path": str(folder), "size": 4, "n": N})


def planted(folder: Path, changed: bool) -> Source:
    return build("source", "planted", source=arrays(folder, changed), share=0.3)


def synthetic(folder: Path, changed: bool) -> Source:
    made = build("source", {"name": "synthetic", "n_samples": N + 1, "width": 30})
    return made.take(torch.tensor([*range(N - 1), N if changed else N - 1]))


def tables(folder: Path, changed: bool) -> Source:
    size = np.where(np.arange(N) % 7 == 0, np.nan, np.arange(N) + 0.5 * changed * (np.arange(N) == N - 1))
    colour = np.array(["red", "green", "blue"])[np.arange(N) % 3]
    path = folder / "table.csv"
    lines = [f"{n},{size[n]},{colour[n]},{n % 4},{1 + n},{n // 3}" for n in range(N)]
    path.write_text("\n".join(["row,size,colour,kind,heavy,patient", *lines]))
    named = {"label": "kind", "weight": "heavy", "group": "patient"}
    return build("source", {"name": "tables", "path": str(path), "missing": "zero", **named})


def cells(folder: Path, changed: bool) -> Source:
    counts = np.random.default_rng(0).poisson(0.5, (N, 40))
    counts[20, 3] += changed
    made = AnnData(sp.csr_matrix(counts.astype(np.float32)))
    made.obs["type"], made.obs["donor"] = [f"type {n % 3}" for n in range(N)], [f"donor {n // 3}" for n in range(N)]
    made.write_h5ad(folder / "cells.h5ad")
    named = {"label": "type", "group": "donor", "per_cell": 1e4}
    return build("source", {"name": "cells", "path": str(folder / "cells.h5ad"), **named})


def sites(folder: Path, changed: bool) -> Source:
    folders = [folder / name for name in ("first", "second")]
    for place in folders:
        place.mkdir(exist_ok=True)
    np.save(folders[0] / "rows.npy", pictures(False).reshape(N, -1)[:, :7])
    np.save(folders[1] / "rows.npy", pictures(changed).reshape(N, -1)[:, 7:])
    parts = {place.name: {"name": "arrays", "path": str(place / "rows.npy")} for place in folders}
    return build("source", {"name": "sites", "sites": parts})


def zarr(folder: Path, changed: bool) -> Source:
    import zarr

    place = str(folder / f"{changed}.zarr")
    zarr.create_array(place, data=pictures(changed), overwrite=True)
    return build("source", {"name": "zarr", "path": place})


def datasets(folder: Path, changed: bool) -> Source:
    import datasets

    place = str(folder / f"data-set-{changed}")
    rows = pictures(changed).reshape(N, -1).astype(np.float32)
    datasets.Dataset.from_dict({"x": rows, "number": np.arange(N)}).save_to_disk(place)
    return build("source", {"name": "datasets", "path": place})


def parquet(folder: Path, changed: bool) -> Source:
    import pyarrow
    import pyarrow.parquet

    place = str(folder / f"{changed}.parquet")
    rows = pictures(changed).reshape(N, -1).tolist()
    pyarrow.parquet.write_table(pyarrow.table({"x": rows, "number": range(N)}), place, row_group_size=7)
    return build("source", {"name": "parquet", "path": place})


def shards(folder: Path, changed: bool) -> Source:
    place = folder / f"shards-{changed}"
    if not place.exists():
        columns = {"x": ("uint8", 30), "item": "int32", "position": "int32", "token": "int32", "label": "int64"}
        about = {"kind": "text"}
        numbers = np.arange(N)
        with ShardWriter(place, columns, rows_per_shard=7, about=about) as writer:  # type: ignore[arg-type]
            for rows in np.split(numbers, 10):
                x = pictures(changed).reshape(N, -1)[rows]
                writer.append(x=x, item=rows // 3, position=rows % 3, token=rows % 5, label=rows % 3)
                writer.mark(int(rows[-1]))
        (place / "vocabulary.json").write_text('["a ", "b ", "c ", "d ", "e "]')
    return build("source", {"name": "shards", "path": str(place)})


def codes(folder: Path, changed: bool) -> Source:
    sae = SAE(Schema(n_inputs=30), 12, build("architecture", "sigmoid_kl"))
    torch.nn.init.normal_(sae.W_enc, std=1e-3, generator=torch.Generator().manual_seed(0))
    if not (folder / "run").exists():
        Run.create(folder / "run", {"source": None}, {}).finish(sae, {})
    return build("source", {"name": "codes", "run": str(folder / "run")}, source=arrays(folder, changed))


class Squares(nn.Module):
    """Makes of each picture of 5 × 6 pixels five samples of six."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x[:, 0] + x[:, 0].square())


def activations(folder: Path, changed: bool) -> Source:
    feed = {"name": "items", "source": build("source", "arrays", data=pictures(changed)[15:21]), "per_block": 4}
    return build("source", {"name": "activations", "at": "inner", "pool": 10}, model=Squares(), feed=feed)


EXAMPLES: dict[str, Callable[[Path, bool], Source]] = {
    "activations": activations,
    "arrays": arrays,
    "cells": cells,
    "codes": codes,
    "digits": digits,
    "idx": idx,
    "images": images,
    "patches": patches,
    "datasets": datasets,
    "parquet": parquet,
    "planted": planted,
    "shards": shards,
    "synthetic": synthetic,
    "sites": sites,
    "tables": tables,
    "zarr": zarr,
}
"""For each source how to make one of 30 samples, all different, or the same with one value changed."""


@pytest.fixture(params=names("source"))
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[bool], Source]:
    assert request.param in EXAMPLES, f"the source {request.param!r} has no example here: add one"
    return lambda changed: EXAMPLES[request.param](tmp_path, changed)


@pytest.fixture
def source(make: Callable[[bool], Source]) -> Source:
    return make(False)


def all_of(source: Source) -> torch.Tensor:
    return source.gather(torch.arange(len(source)))


def first(source: Source, steps: int, size: int = 8, seed: int = 0, start: int = 0) -> list[torch.Tensor]:
    stream = source.batches(size, seed, start)
    return [next(stream).inputs for _ in range(steps)]


def test_the_example_has_samples_that_differ(source: Source) -> None:
    assert len(source) == N
    assert len(all_of(source).unique(dim=0)) == N


def test_batches_are_a_function_of_seed_and_step(source: Source) -> None:
    for at_once, later in zip(first(source, 8)[5:], first(source, 3, start=5), strict=True):
        assert torch.equal(at_once, later)
    assert not torch.equal(first(source, 1)[0], first(source, 1, seed=1)[0])


def test_each_epoch_sees_every_sample_once_in_a_new_order(source: Source) -> None:
    stream = source.batches(8, 0)
    epochs = torch.cat([next(stream).ids for _ in range(15)]).split(N)  # 120 samples, four epochs
    for epoch in epochs:
        assert epoch.sort().values.tolist() == list(range(N))
    assert not torch.equal(epochs[0], epochs[1])


def test_two_processes_together_have_the_rows_of_one(source: Source) -> None:
    shares = [source.batches(8, 0, world=World(rank, 2)) for rank in (0, 1)]
    for whole in first(source, 5):
        parts = [next(share) for share in shares]
        together = torch.empty_like(whole)
        for part in parts:
            together[part.positions] = part.inputs
        assert torch.equal(together, whole)
        assert [part.size for part in parts] == [8, 8]
    with pytest.raises(SparsightError, match="a batch of 8 cannot be shared by 3 processes"):
        next(source.batches(8, 0, world=World(0, 3)))


def test_a_split_is_disjoint_and_complete(source: Source) -> None:
    kept, held = source.split(0.2, 0)
    assert held is not None
    assert len(kept) + len(held) == N
    if source.groups() is None:
        assert len(held) == 6
    both = torch.cat([all_of(kept), all_of(held)])
    assert torch.equal(both.unique(dim=0), all_of(source).unique(dim=0))
    again, other = source.split(0.2, 0)[1], source.split(0.2, 1)[1]
    assert again is not None and other is not None
    assert torch.equal(all_of(again), all_of(held))
    assert not torch.equal(all_of(other), all_of(held))
    assert source.split(0.0, 0) == (source, None)


def test_a_split_keeps_groups_whole(source: Source) -> None:
    groups = source.groups()
    if groups is None:
        return
    assert groups.shape == (N,)
    kept, held = source.split(0.2, 0)
    assert held is not None
    of_kept, of_held = kept.groups(), held.groups()
    assert of_kept is not None and of_held is not None
    assert (len(of_kept), len(of_held)) == (len(kept), len(held))
    assert not set(of_kept.tolist()) & set(of_held.tolist())


def test_what_a_sample_is_a_part_of_names_its_parts(source: Source) -> None:
    for number in (0, N // 2, N - 1):
        context = source.context(number)
        if context is None:
            continue
        assert context.ids[context.here] == number
        assert (context.tokens is None) != (context.picture is None)
        parts = len(context.tokens) if context.tokens is not None else math.prod(context.grid or ())
        assert len(context.ids) == parts
        assert all(-1 <= part < N for part in context.ids)


def test_words_are_numbers_of_texts_and_go_with_their_samples(source: Source) -> None:
    words = source.words()
    if words is None:
        return
    numbers, texts = words
    assert numbers.shape == (N,)
    assert int(numbers.min()) >= -1
    assert int(numbers.max()) < len(texts)
    part = source.take(torch.tensor([7, 3, 20])).words()
    assert part is not None
    assert torch.equal(part[0], numbers[torch.tensor([7, 3, 20])])
    assert part[1] == texts
    context = source.context(7)
    if context is not None and context.tokens is not None:
        assert context.tokens[context.here] == texts[int(numbers[7])]


def test_a_part_keeps_rows_labels_and_weights_together(source: Source) -> None:
    ids = torch.tensor([7, 3, 20])
    part = source.take(torch.tensor([3, 20, 7])).take(torch.tensor([2, 0, 1]))
    assert torch.equal(all_of(part), source.gather(ids))
    for whole, some in ((source.labels(), part.labels()), (source.weights(), part.weights())):
        if whole is None:
            assert some is None
        else:
            assert some is not None and torch.equal(some, whole[ids])
    assert len(source) == N, "the whole is as it was"


def test_a_batch_has_the_weights_of_its_rows(source: Source) -> None:
    weights, batch = source.weights(), next(source.batches(8, 0))
    if weights is None:
        assert batch.weight is None
    else:
        assert float(weights.mean()) == pytest.approx(1)
        assert batch.weight is not None and torch.equal(batch.weight, weights[batch.ids])


def test_rows_are_float32_and_as_wide_as_the_schema_says(source: Source) -> None:
    found = source.gather(torch.tensor([1, 2, 1]))
    assert found.dtype == torch.float32
    assert found.shape == (3, source.schema.n_inputs)
    assert torch.equal(found[0], found[2])
    assert source.gather(torch.tensor([], dtype=torch.int64)).shape == (0, source.schema.n_inputs)


def test_what_is_done_to_gathered_rows_does_not_reach_the_data(source: Source) -> None:
    before = all_of(source)
    source.gather(torch.arange(N)).fill_(7)
    assert torch.equal(all_of(source), before)


def test_the_fingerprint_is_that_of_the_samples(make: Callable[[bool], Source], source: Source) -> None:
    fingerprint = source.fingerprint()
    assert len(fingerprint) == 64
    assert make(False).fingerprint() == fingerprint
    assert source.take(torch.arange(N)).fingerprint() == fingerprint
    assert source.take(torch.arange(N).flip(0)).fingerprint() != fingerprint
    assert source.take(torch.arange(N - 1)).fingerprint() != fingerprint
    assert make(True).fingerprint() != fingerprint


def test_a_sample_can_be_looked_at(source: Source) -> None:
    example, labels, classes = source.show(4), source.labels(), source.schema.classes
    assert isinstance(example, Example)
    np.testing.assert_array_equal(example.values, source.gather(torch.tensor([4]))[0].numpy())
    assert example.shape == source.schema.shape
    assert example.label == (None if labels is None or classes is None else classes[int(labels[4])])
