"""What a graphics card gives: harvesting, training from shards and from memory, splicing. A line for every figure.

python benchmarks/gpu.py --model MODEL --at encoder.layer.3 --text corpus.txt [--device cuda]
"""

import argparse
import statistics
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from sparsight import recipes, spec
from sparsight.core import Source
from sparsight.core.taps import Tap
from sparsight.job import Recipe, prepare, train
from sparsight.models.harvest import harvest
from sparsight.models.host import Host, open_host
from sparsight.models.reading import Reading
from sparsight.models.splice import splice
from sparsight.spec import build

PAIRS = 5
STEPS = 200
BATCH = 4096


def timed(device: str, work: Callable[[], Any]) -> float:
    if device != "cpu":
        torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def harvesting(host: Host, reading: Reading, folder: Path, device: str) -> None:
    """Harvest beside the forward pass that ends after the same layer, on the same blocks."""
    name = reading.at[0]
    tokens = int(reading.counts(name).sum())

    def forward() -> None:
        tap = Tap(host.module, [name])
        for number in range(len(reading.feed)):
            block = reading.feed.block(number)
            tap(**{key: given.to(device) for key, given in block.kwargs.items()})

    forward()
    ratios, speeds = [], []
    for pair in range(PAIRS):
        alone = timed(device, forward)
        stored = timed(device, lambda pair=pair: harvest(reading, folder / str(pair)))
        ratios.append(alone / stored)
        speeds.append(tokens / stored)
    print(
        f"harvest: {statistics.median(speeds):,.0f} tokens/s, {statistics.median(ratios):.2f} of the forward pass "
        f"({min(ratios):.2f} to {max(ratios):.2f}), {tokens:,} tokens",
        flush=True,
    )


def asked(changes: list[str]) -> Recipe:
    return Recipe.parse(spec.override(recipes.read("embeddings"), changes))


def speed(source: Source, device: str, n_latents: int) -> None:
    """Steps in the midst of a training, and what the card holds."""
    changes = [f"n_latents={n_latents}", f"train.batch_size={BATCH}", "train.epochs=1000", "train.log_every=10000"]
    job = prepare(asked(changes), source, device=device)
    batches = job.source.batches(BATCH, 0)
    for _ in range(20):
        job.trainer.step(next(batches))
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
    seconds = timed(device, lambda: [job.trainer.step(next(batches)) for _ in range(STEPS)])
    batches.close()
    memory = torch.cuda.max_memory_allocated() / 2**30 if device != "cpu" else 0.0
    print(
        f"train: F = {n_latents:,}, batch {BATCH:,}: {STEPS * BATCH / seconds:,.0f} samples/s, "
        f"{1e3 * seconds / STEPS:.1f} ms a step, {memory:.1f} GiB at most",
        flush=True,
    )


def quality(source: Source, reading: Reading, folder: Path, device: str, changes: list[str]) -> None:
    """A whole training, and what splicing it does on the documents that it held out."""
    recipe = asked(changes)
    run = train(recipe, folder, source, device=device)
    assert run.summary is not None
    held = source.split(recipe.train.hold_out, recipe.of_data)[1]
    groups = None if held is None else held.groups()
    assert groups is not None
    feed = reading.feed.only(groups.unique().tolist())
    spliced = splice(run.sae().to(device), Reading(reading.host, feed, reading.at))
    found = run.summary
    print(
        f"{' '.join(changes)}: {found['seconds']:.0f} s, explained variance "
        f"{found['quality']['explained_variance']:.4f}, dead {found['dead']}, spliced {spliced['samples']}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--at", default="encoder.layer.3")
    parser.add_argument("--text", required=True)
    parser.add_argument("--tokens", type=int)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--sizes", type=int, nargs="*", default=[4096, 16_384, 65_536])
    parser.add_argument("--runs", nargs="*", default=["n_latents=4096"], help="changes of a recipe, with + between")
    given = parser.parse_args()
    if given.device != "cpu":
        print(torch.cuda.get_device_name(), torch.__version__)
    host = open_host(given.model).to(given.device)
    feed = {"name": "texts", "path": given.text, "tokens": given.tokens, "per_block": 16_384}
    reading = Reading(host, build("feed", feed, host=host), [given.at])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        harvesting(host, reading, folder, given.device)
        source: Source = build("source", {"name": "shards", "path": str(folder / "0")})
        memory: Source = build("source", "arrays", data=source.gather(torch.arange(min(len(source), 500_000))))
        tasks: list[tuple[str, Callable[[], None]]] = [
            (f"from {said}: ", lambda data=data, n=n: speed(data, given.device, n))
            for n in given.sizes
            for said, data in (("shards", source), ("memory", memory))
        ]
        tasks += [
            ("", lambda n=n, changes=changes: quality(source, reading, folder / f"run-{n}", given.device, changes))
            for n, changes in enumerate(each.split("+") for each in given.runs)
        ]
        for said, task in tasks:
            print(said, end="")
            try:
                task()
            except Exception:  # the other figures are still wanted
                traceback.print_exc()


if __name__ == "__main__":
    main()
