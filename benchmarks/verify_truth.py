"""Whether `verify` calls real what is real, and nothing else: `python benchmarks/verify_truth.py [--seeds 20]`.

Noise: independent normal numbers, and normal numbers with variances that fall as 1 / i^1.5 along random directions. No
feature of either is real. Known: samples that are sums of a few atoms (`synthetic`), and random directions planted in
both kinds of noise. A feature is truly real where a true direction has a cosine of .9 or more to it; a true direction
is recoverable where the run found it, at the same cosine, and called where one of the features that found it is real.

A seed is that of the data, of the training and of all else. The limits of the verdict were chosen on the seeds 0, 1 and
2; figures are those of seeds from 100 on. Each case is trained with every architecture of `ARCHITECTURES`, and verified
as users do it.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sparsight.core import Source, generator
from sparsight.job import Recipe, train
from sparsight.meters.recovery import FOUND, best
from sparsight.sources.planted import plant
from sparsight.spec import build
from sparsight.verification import verify

WIDTH, FEATURES, SAMPLES, EPOCHS = 32, 64, 4_000, 15.0
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "topk": {"name": "topk", "k": 4},
    "batch_topk": {"name": "batch_topk", "k": 4},
    "relu_l1": {"name": "relu_l1", "l1": 1.0},
}
Row = dict[str, Any]


def normal(seed: int, *, even: bool) -> Source:
    """Gaussian samples: independent inputs, or variances that fall along random directions."""
    dice = generator(seed, 1)
    x = torch.randn(SAMPLES, WIDTH, generator=dice)
    if not even:
        turn = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=dice)).Q
        x = x * torch.arange(1, WIDTH + 1) ** -0.75 @ turn
    return build("source", "arrays", data=x)


def synthetic(seed: int) -> Source:
    """Sums of a few of as many atoms as inputs."""
    known = {"n_samples": SAMPLES, "width": WIDTH, "n_atoms": WIDTH, "active": 2.0, "noise": 0.05, "seed": seed}
    return build("source", {"name": "synthetic", **known})


CASES: dict[str, Callable[[int], Source]] = {
    "iid noise": lambda seed: normal(seed, even=True),
    "Gaussian with a covariance": lambda seed: normal(seed, even=False),
    "planted in iid noise": lambda seed: plant(normal(seed, even=True), n=8, share=0.05, size=1.0, seed=seed),
    "planted in a covariance": lambda seed: plant(normal(seed, even=False), n=8, share=0.05, size=1.0, seed=seed),
    "synthetic": synthetic,
}


def judged(source: Source, architecture: dict[str, Any], seed: int, folder: Path) -> Row:
    """What is called real of a training on some data, and what is."""
    asked = {"n_latents": FEATURES, "architecture": architecture, "preprocess": ["scale"], "seed": seed}
    config = {"epochs": EPOCHS, "batch_size": 128}
    start = time.perf_counter()
    run = train(Recipe.parse({**asked, "train": config}), folder, source)
    evidence = verify(run, source=source, claims=["stability"])
    real = torch.from_numpy(evidence.columns["real"])
    row: Row = {"real": int(real.sum()), "seconds": time.perf_counter() - start}
    truth = source.truth()
    return row if truth is None else {**row, **_against(truth, run.sae().filters()["decoder"], real)}


def _against(truth: Tensor, rows: Tensor, real: Tensor) -> Row:
    found = best(truth, rows)[0] >= FOUND
    called = best(truth, rows[real])[0] >= FOUND if real.any() else torch.zeros_like(found)
    right = best(rows, truth)[0] >= FOUND
    return {
        "true": len(truth),
        "recoverable": int(found.sum()),
        "called": int((called & found).sum()),
        "right": int((right & real).sum()),
    }


def measured(case: str, name: str, seeds: range) -> list[Row]:
    """A row for every seed."""
    rows = []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            found = judged(CASES[case](seed), ARCHITECTURES[name], seed, Path(folder) / "run")
        rows.append({"case": case, "architecture": name, "seed": seed, **found})
    return rows


def markdown(rows: list[Row]) -> str:
    """The figures of each case and architecture over all seeds."""
    lines = [
        "| case | architecture | seeds | called real | truly real of them | recoverable | called of them |",
        "|---|---|---|---|---|---|---|",
    ]
    for case, name in dict.fromkeys((row["case"], row["architecture"]) for row in rows):
        part = [row for row in rows if (row["case"], row["architecture"]) == (case, name)]
        total = {key: sum(row.get(key, 0) for row in part) for key in ("real", "right", "recoverable", "called")}
        known = "true" in part[0]
        precision = f"{total['right'] / total['real']:.3f}" if known and total["real"] else "–"
        recall = f"{total['called'] / total['recoverable']:.3f}" if total["recoverable"] else "–"
        lines.append(
            f"| {case} | {name} | {len(part)} | {total['real']} | {precision} | "
            f"{total['recoverable'] if known else '–'} | {recall} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=100, help="the first seed")
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--architectures", nargs="*", default=list(ARCHITECTURES), choices=list(ARCHITECTURES))
    parser.add_argument("--out", type=Path, help="also write all rows here, as JSON")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name in asked.architectures:
        for case in asked.cases:
            rows += measured(case, name, range(asked.first, asked.first + asked.seeds))
            print(markdown(rows[-asked.seeds :]).splitlines()[-1], flush=True)
            if asked.out is not None:
                asked.out.write_text(json.dumps(rows, indent=1) + "\n")
    print(markdown(rows))


if __name__ == "__main__":
    main()
