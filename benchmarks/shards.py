"""Training on more than fits into memory: `python benchmarks/shards.py [--gigabytes 20] [--threads 2]`.

Writes shards of float16, 384 numbers a row, in documents of 256 rows; then, each in a process of its own:

- `first batch`: seconds from the start of the process, and from the moment when torch is there, until the first batch
  is in memory and a model could be trained on it, with all that comes before: opening, holding documents out,
  calibrating, initialising. Cold is with the shards out of the page cache.
- `training`: TopK, 384 → 4,096, k = 32, batches of 4,096, through `Trainer.advance` with held-out documents: the share
  of the time spent waiting for batches, and the peak of resident memory over what torch and the library take.
- `order`: χ² of the order dealt in one epoch, over places × samples and over successive pairs, with its p-value.
- `reads`: 4,096 random rows, beside `numpy.memmap` of one file with the same rows.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WIDTH, BATCH, DOCUMENT = 384, 4_096, 256
STEPS, WARM = 300, 20
RECIPE = {
    "n_latents": 4_096,
    "architecture": {"name": "topk", "k": 32},
    "preprocess": ["scale"],
    "train": {"batch_size": BATCH, "epochs": 1.0, "hold_out": 0.01, "dead_after": 10_000_000, "log_every": 100},
}


def write(folder: Path, gigabytes: float) -> int:
    """Sums of a few random directions, in another order in each shard."""
    import numpy as np
    import torch

    from sparsight.shards import ShardWriter

    dice, rows = np.random.default_rng(0), 65_536
    directions = torch.randn(1_024, WIDTH, generator=torch.Generator().manual_seed(0))
    codes = torch.from_numpy((dice.random((rows, 1_024)) < 0.02) * dice.exponential(size=(rows, 1_024))).float()
    x = (codes @ directions / 20).half()
    n_shards = max(1, round(gigabytes * 1e9 / (rows * WIDTH * 2)))
    numbers = np.arange(rows)
    with ShardWriter(folder, {"x": ("float16", WIDTH), "item": "int32", "position": "int32"}) as writer:
        for shard in range(n_shards):
            item = (numbers + shard * rows) // DOCUMENT
            writer.append(x=x[torch.from_numpy(dice.permutation(rows))], item=item, position=numbers % DOCUMENT)
            writer.mark(shard)
    return n_shards * rows


def forget(folder: Path) -> None:
    """Take the shards out of the page cache."""
    for place in folder.iterdir():
        with place.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def resident(name: str) -> float:
    """MB, by the kernel's name: VmRSS now, VmHWM at the most."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1e3


def train(folder: Path, threads: int, started: float, n_steps: int) -> dict[str, Any]:
    """What one process finds."""
    import torch

    torch.set_num_threads(threads)
    loaded = time.time()
    from sparsight.job import Recipe, prepare
    from sparsight.spec import build

    build("architecture", "topk")
    before = resident("VmRSS")
    opening = time.time()
    job = prepare(Recipe.parse(RECIPE), build("source", {"name": "shards", "path": str(folder)}))
    batches = job.source.batches(BATCH, 0)
    batch = next(batches)
    ready = time.time()
    found = {
        "from the start of the process, s": ready - started,
        "from torch on, s": ready - loaded,
        "from the library on, s": ready - opening,
        "to the first batch, MB over torch": resident("VmHWM") - before,
    }
    if not n_steps:
        return found
    waited = worked = 0.0
    for step in range(n_steps):
        begin = time.perf_counter()
        if step:
            batch = next(batches)
        middle = time.perf_counter()
        job.trainer.advance(batch, None, [], job.held_out)
        if step >= WARM:
            waited, worked = waited + middle - begin, worked + time.perf_counter() - middle
    batches.close()
    return {
        **found,
        "waiting, share": waited / (waited + worked),
        "rows/s": (n_steps - WARM) * BATCH / (waited + worked),
        "in training, MB over torch": resident("VmHWM") - before,
    }


def order(n: int) -> dict[str, float]:
    """χ² of one epoch as it is dealt."""
    import numpy as np
    from scipy.stats import chi2

    from sparsight.core.sampling import orders

    places, values = 64, 128
    table, pairs, last = np.zeros((places, values)), np.zeros((values, values)), None
    dealt: Iterator[Any] = orders(n, BATCH, seed=0, start=0)
    for step in range(n // BATCH):
        ids = next(dealt).numpy()
        bins = ids * values // n
        table[step * places // (n // BATCH)] += np.bincount(bins, minlength=values)
        joined = bins if last is None else np.r_[last, bins]
        pairs += np.bincount(joined[:-1] * values + joined[1:], minlength=values**2).reshape(values, values)
        last = bins[-1]
    result = {}
    for name, counts, free in (
        ("places × samples", table, (places - 1) * (values - 1)),
        ("pairs", pairs, (values - 1) ** 2),
    ):
        expected = counts.sum(1, keepdims=True) * counts.sum(0) / counts.sum()
        statistic = float(((counts - expected) ** 2 / expected).sum())
        result[f"{name}, χ² / degrees of freedom"] = statistic / free
        result[f"{name}, p"] = float(chi2.sf(statistic, free))
    return result


def reads(folder: Path, n_shards: int) -> dict[str, float]:
    """Milliseconds for a random batch in float32, of the first shards and of one mapped file with the same rows."""
    import numpy as np
    import torch

    from sparsight.spec import build

    source = build("source", {"name": "shards", "path": str(folder)})
    rows = n_shards * 65_536
    one = folder.with_name("one.bin")
    with one.open("wb") as out:
        for shard in range(n_shards):
            out.write((folder / f"0-{shard:05d}.x").read_bytes())
    mapped, dice, took = np.memmap(one, np.float16, "r", shape=(rows, WIDTH)), np.random.default_rng(1), {}
    for number in range(n_shards):
        (folder / f"0-{number:05d}.x").read_bytes()
    for warmth in ("warm", "cold"):
        ours, theirs = [], []
        for _ in range(30 if warmth == "warm" else 5):
            ids = dice.integers(0, rows, BATCH)
            if warmth == "cold":
                del mapped  # what is mapped cannot be forgotten
                forget(folder)
                forget_one(one)
                mapped = np.memmap(one, np.float16, "r", shape=(rows, WIDTH))
            begin = time.perf_counter()
            source.gather(torch.from_numpy(ids))
            middle = time.perf_counter()
            torch.from_numpy(mapped[np.sort(ids)]).float()
            ours, theirs = [*ours, middle - begin], [*theirs, time.perf_counter() - middle]
        took[f"shards, {warmth}, ms"] = 1e3 * float(np.median(ours))
        took[f"numpy.memmap, {warmth}, ms"] = 1e3 * float(np.median(theirs))
    one.unlink()
    return took


def forget_one(place: Path) -> None:
    with place.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def apart(*words: str) -> dict[str, Any]:
    """What this file finds in a process of its own."""
    command = [sys.executable, __file__, *words, "--started", str(time.time())]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=20.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--folder", type=Path, default=Path("shards-benchmark"))
    parser.add_argument("--keep", action="store_true", help="do not remove the shards in the end")
    parser.add_argument("--only", choices=("train",))
    parser.add_argument("--started", type=float)
    asked = parser.parse_args()
    if asked.only == "train":
        print(json.dumps(train(asked.folder, asked.threads, asked.started, asked.steps)))
        return
    if not asked.folder.exists():
        begin = time.perf_counter()
        n = write(asked.folder, asked.gigabytes)
        print(f"wrote {n:,} rows, {n * WIDTH * 2 / 1e6 / (time.perf_counter() - begin):,.0f} MB/s", flush=True)
    n_shards = len(list(asked.folder.glob("*.x")))
    print(f"order: {order(n_shards * 65_536)}", flush=True)
    print(f"reads: {reads(asked.folder, min(n_shards, 40))}", flush=True)
    words = ["--only", "train", "--folder", str(asked.folder), "--threads", str(asked.threads)]
    for warmth in ("cold", "warm", "warm"):
        if warmth == "cold":
            forget(asked.folder)
        print(f"first batch, {warmth}: {apart(*words, '--steps', '0')}", flush=True)
    forget(asked.folder)
    print(f"training: {apart(*words, '--steps', str(asked.steps))}", flush=True)
    if not asked.keep:
        shutil.rmtree(asked.folder)


if __name__ == "__main__":
    main()
