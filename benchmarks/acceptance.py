"""What the recipes reach on MNIST: `python benchmarks/acceptance.py --mnist FOLDER [NAME ...]`.

FOLDER holds MNIST's four files. Every figure is measured on its 10,000 test digits. A row is JSON, one line.
"""

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sparsight import recipes
from sparsight.core import SAE, Source
from sparsight.job import Recipe, prepare
from sparsight.meters.gabor import fit_gabor
from sparsight.meters.probe import probe_error
from sparsight.meters.quality import measure_quality
from sparsight.meters.shape import elongation, moran, participation_ratio
from sparsight.spec import build, override

SHAPE = (28, 28)


class Mnist:
    """The four files, the embedded digits, and labels."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.train: Source = build("source", {"name": "idx", "path": str(folder / "train-images-idx3-ubyte.gz")})
        self.test: Source = build("source", {"name": "idx", "path": str(folder / "t10k-images-idx3-ubyte.gz")})
        self.digits: Source = build("source", "digits")

    def first(self, n: int) -> Source:
        return self.train.take(torch.arange(n))


def trained(recipe: str, source: Source, *changes: str) -> tuple[SAE, float]:
    """A model, and the seconds that its training took."""
    job = prepare(Recipe.parse(override(recipes.read(recipe), changes)), source)
    start = time.perf_counter()
    job.trainer.fit(job.source)
    return job.sae, time.perf_counter() - start


@torch.no_grad()
def codes(sae: SAE, source: Source) -> Tensor:
    return torch.cat([sae.transform(batch.inputs).dense() for batch in source.chunks()])


def labels(source: Source) -> Tensor:
    found = source.labels()
    assert found is not None
    return found


def probe(sae: SAE, train: Source, test: Source) -> float:
    return 100 * probe_error(codes(sae, train), labels(train), codes(sae, test), labels(test))


def looks(sae: SAE, test: Source) -> dict[str, float]:
    """Quality on test digits, and medians over live features of what filters look like."""
    quality = measure_quality(sae, test)
    live = quality.rate > 0
    result = quality.result()
    row = {name: result[name] for name in ("explained_variance", "l0", "silent", "median_activity")}
    for name, weights in (("decoder", sae.W_dec.detach()[live]), ("encoder", sae.W_enc.detach()[live])):
        row[f"{name}_moran"] = float(moran(weights, SHAPE).nanmedian())
        row[f"{name}_participation"] = float(participation_ratio(weights).nanmedian())
        row[f"{name}_elongation"] = float(elongation(weights, SHAPE).nanmedian())
    return row


def strokes(mnist: Mnist, *changes: str) -> dict[str, float]:
    sae, seconds = trained("strokes", mnist.digits, *changes)
    return {**looks(sae, mnist.test), "probe_10k": probe(sae, mnist.digits, mnist.test), "seconds": seconds}


def strokes_all(mnist: Mnist) -> dict[str, float]:
    sae, seconds = trained("strokes", mnist.train, "train.epochs=10")
    return {**looks(sae, mnist.test), "seconds": seconds}


def ufldl(mnist: Mnist) -> dict[str, float]:
    sae, seconds = trained("ufldl", mnist.train)
    gabor = float(fit_gabor(sae.W_enc.detach(), SHAPE).r2.nanmedian())
    row = {**looks(sae, mnist.test), "encoder_gabor_r2": gabor, "seconds": seconds}
    return {**row, "probe_10k": probe(sae, mnist.first(10_000), mnist.test)}


def question(mnist: Mnist) -> dict[str, float]:
    sae, seconds = trained("question", mnist.train, "train.epochs=15")
    row = {**looks(sae, mnist.test), "seconds": seconds}
    return {**row, "probe_10k": probe(sae, mnist.first(10_000), mnist.test)}


def raw_probe(mnist: Mnist) -> dict[str, float]:
    pixels = [torch.cat([batch.inputs for batch in s.chunks()]) for s in (mnist.first(10_000), mnist.test)]
    return {"probe_10k": 100 * probe_error(pixels[0], labels(mnist.first(10_000)), pixels[1], labels(mnist.test))}


def self_taught(mnist: Mnist) -> dict[str, float]:
    """UFLDL: features from the digits 5 to 9; a classifier of 0 to 4 on half of them, tested on the other half."""
    digit = labels(mnist.train)
    unlabelled = mnist.train.take((digit >= 5).nonzero().squeeze(1))
    known = (digit < 5).nonzero().squeeze(1)
    half = len(known) // 2
    train, test = mnist.train.take(known[:half]), mnist.train.take(known[half:])
    sae, seconds = trained("ufldl", unlabelled)
    raw = [torch.cat([batch.inputs for batch in s.chunks()]) for s in (train, test)]
    return {
        "accuracy": 100 - probe(sae, train, test),
        "accuracy_raw": 100 - 100 * probe_error(raw[0], labels(train), raw[1], labels(test)),
        "seconds": seconds,
    }


def ksparse(mnist: Mnist, *changes: str) -> dict[str, float]:
    sae, seconds = trained("ksparse", mnist.train, *changes)
    result = measure_quality(sae, mnist.test).result()
    return {
        "explained_variance": result["explained_variance"],
        "l0": result["l0"],
        "silent": result["silent"],
        "error_60k": probe(sae, mnist.train, mnist.test),
        "seconds": seconds,
    }


MEMORY = """
import re, sys, torch
def peak(): return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
torch.zeros(1); base = peak()
from sparsight import recipes
from sparsight.job import Recipe, prepare
from sparsight.spec import build, override
source = build("source", {"name": "idx", "path": sys.argv[1]})
job = prepare(Recipe.parse(override(recipes.read(sys.argv[2]), sys.argv[3:])), source)
job.trainer.fit(job.source)
print(peak() - base)
"""


def memory(mnist: Mnist) -> dict[str, float]:
    """Peak memory over importing torch, in MB, in a process of its own (Linux); the data are 47 MB of bytes."""
    path = str(mnist.folder / "train-images-idx3-ubyte.gz")
    row = {}
    for recipe, change in (
        ("strokes", "train.epochs=.3"),
        ("ufldl", "train.epochs=2"),
        ("question", "train.epochs=.3"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, path, recipe, change], capture_output=True, text=True, check=True
        )
        row[f"{recipe}_mb"] = float(done.stdout)
    return row


ROWS: dict[str, Callable[[Mnist], dict[str, float]]] = {
    "strokes": strokes,
    "strokes-seed-1": lambda mnist: strokes(mnist, "seed=1"),
    "strokes-seed-2": lambda mnist: strokes(mnist, "seed=2"),
    "strokes-all": strokes_all,
    "raw-probe": raw_probe,
    "memory": memory,
    "question": question,
    "ufldl": ufldl,
    "self-taught": self_taught,
    "ksparse": ksparse,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mnist", type=Path, required=True)
    parser.add_argument("--threads", type=int)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ROWS)}; all by default")
    asked = parser.parse_args()
    if asked.threads:
        torch.set_num_threads(asked.threads)
    machine: dict[str, Any] = {
        "machine": platform.platform(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    print(json.dumps(machine), flush=True)
    mnist = Mnist(asked.mnist)
    for name in asked.names or ROWS:
        row = ROWS[name](mnist)
        print(json.dumps({"row": name, **{key: round(value, 4) for key, value in row.items()}}), flush=True)


if __name__ == "__main__":
    main()
