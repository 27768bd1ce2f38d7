"""Activations of a model, stored as shards."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image

from sparsight.distributed import World
from sparsight.errors import SparsightError
from sparsight.models.reading import Reading
from sparsight.run import write
from sparsight.shards import ShardWriter

Stored = Literal["float32", "float16", "bfloat16"]
PICTURE = 128
"""Pixels of the longer side of what is kept of a picture, to be looked at."""
ROWS = 65_536
"""Samples of a shard: at most so many are computed again after a kill."""


def harvest(
    reading: Reading,
    out: str | Path,
    *,
    dtype: Stored = "float16",
    world: World | None = None,
    rows_per_shard: int = ROWS,
    tell: Callable[[int], None] | None = None,
) -> list[Path]:
    """Run the model over all that is fed to it and keep what its layers give, with where each sample came from.

    The shards of one layer lie in `out`, those of several in a folder each. A harvest that was killed goes on where
    the last complete shard ends, with the same samples in the same order; one that is complete is left as it is.

    Args:
        reading: model, texts or pictures, and layers.
        out: the folder.
        dtype: of the activations on disk; float16 has the more digits, bfloat16 the wider range.
        world: this process's share: of `size` processes that harvest together, number `rank` computes the blocks rank,
            rank + size, ...
        rows_per_shard: samples of a shard.
        tell: is told how many samples were computed, of one layer, since it was last.

    Returns:
        The folder of each layer.

    Raises:
        SparsightError: the folder holds activations of something else, or the disk is full. What is complete is kept.
    """
    world = world or World()
    out = Path(out)
    places = {name: out if len(reading.at) == 1 else out / folder_of(name) for name in reading.at}
    source = reading.fingerprint()
    writers: dict[str, ShardWriter] = {}
    try:
        for name, place in places.items():
            about = {**reading.about(name), "source": source, "sha256": reading.sha256, "processes": world.size}
            columns = _columns(reading, name, dtype)
            writers[name] = ShardWriter(
                place, columns, writer=f"{world.rank:04d}", rows_per_shard=rows_per_shard, about=about, resume=True
            )
            if world.rank == 0:
                _put_beside(reading, place, str(about["kind"]))
        todo = {name: _next(writer, world) for name, writer in writers.items() if not writer.complete}
        for number in range(min(todo.values(), default=len(reading.feed)), len(reading.feed), world.size):
            rows = reading.rows(number, getattr(torch, dtype))
            for name, first in todo.items():
                if number >= first:
                    writers[name].append(x=rows[name], **reading.columns(name, number))
                    writers[name].mark(number)
            if tell is not None:
                tell(len(next(iter(rows.values()))))
        for name in todo:
            writers[name].close()
    finally:
        for writer in writers.values():
            writer.abandon()
    return list(places.values())


def folder_of(name: str) -> str:
    """A layer's name as that of a folder."""
    return re.sub(r"[^\w.-]", "-", name)


def _next(writer: ShardWriter, world: World) -> int:
    """The block after the last that is complete."""
    return world.rank if writer.last is None else int(writer.last) + world.size


def _columns(reading: Reading, name: str, dtype: Stored) -> dict[str, Any]:
    return {"x": (dtype, reading.sites[name].width), **dict.fromkeys(reading.columns(name, 0), "int32")}


def _put_beside(reading: Reading, place: Path, kind: str) -> None:
    """What is needed to show where samples came from, unless it is there."""
    for file, content in (("vocabulary.json", reading.feed.vocabulary), ("items.json", reading.feed.items)):
        if not (place / file).exists():
            found = content()
            if found is not None:
                write(place / file, json.dumps(found, ensure_ascii=False).encode())
    if kind == "pictures" and not (place / "pictures.npy").exists():
        _put_pictures(reading, place / "pictures.npy")


def _put_pictures(reading: Reading, file: Path) -> None:
    """What the model saw, small enough to be kept, [items, height, width, 3]."""
    first = reading.feed.picture(0)
    if first is None:
        return
    scale = min(1.0, PICTURE / max(first.shape[:2]))
    height, width = (max(1, round(n * scale)) for n in first.shape[:2])
    n = int(reading.feed.rows(1).sum())
    part = file.with_suffix(".part")
    try:
        kept = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=(n, height, width, 3))
        for item in range(n):
            pixels = reading.feed.picture(item)
            assert pixels is not None
            kept[item] = pixels if scale == 1 else np.asarray(Image.fromarray(pixels).resize((width, height)))
        kept.flush()
    except OSError as error:
        part.unlink(missing_ok=True)
        raise SparsightError(f"cannot write {str(file)!r}: {error.strerror or error}") from None
    part.replace(file)
