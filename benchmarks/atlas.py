"""What the atlas costs beside a forward pass: `python benchmarks/atlas.py [--samples N] [--rounds R]`.

A TopK model of 384 inputs and 4,096 features with k = 32 looks at normal numbers, which is the hardest case: every
feature goes on meeting larger codes. A round is one forward pass and one survey, in turn; the ratio is of their times.
"""

import argparse
import json
import statistics
import time

import torch

from sparsight.atlas import survey
from sparsight.core import SAE, Source
from sparsight.job import Recipe, prepare
from sparsight.spec import build

WIDTH, FEATURES, K = 384, 4096, 32


def model(source: Source) -> SAE:
    recipe = {"n_latents": FEATURES, "architecture": {"name": "topk", "k": K}, "train": {"epochs": 1.0}}
    return prepare(Recipe.parse(recipe), source.take(torch.arange(10_000))).sae.eval()


@torch.no_grad()
def forward(sae: SAE, source: Source) -> float:
    start = time.perf_counter()
    for batch in source.chunks():
        sae.reconstruct(batch.inputs)
    return time.perf_counter() - start


def atlas(sae: SAE, source: Source) -> float:
    start = time.perf_counter()
    survey(sae, source)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int)
    asked = parser.parse_args()
    if asked.threads:
        torch.set_num_threads(asked.threads)
    source: Source = build("source", "arrays", data=torch.randn(asked.samples, WIDTH))
    sae = model(source)
    ratios = []
    for _ in range(asked.rounds):
        once, surveyed = forward(sae, source), atlas(sae, source)
        ratios.append(surveyed / once)
        print(json.dumps({"forward": round(once, 2), "survey": round(surveyed, 2), "ratio": round(ratios[-1], 3)}))
    spread = {"median": statistics.median(ratios), "low": min(ratios), "high": max(ratios)}
    print(json.dumps({key: round(value, 3) for key, value in spread.items()}))


if __name__ == "__main__":
    main()
