"""How near aims are reached: `python benchmarks/aims.py [ARCHITECTURE ...] [--data digits synthetic]`.

Every architecture with a knob is trained towards two aims, with its defaults, for some 450 steps. A row is a training:
the aim, what was measured on held-out samples, how far off that is, where the knob rests, and how many are dead.
"""

import argparse
from typing import Any

import torch

from sparsight.core import Architecture, Source
from sparsight.job import Job, Recipe, prepare
from sparsight.meters.quality import evaluate
from sparsight.spec import build, names

DATA: dict[str, dict[str, Any]] = {
    "digits": {
        "source": "digits",
        "n_latents": 96,
        "train": {"epochs": 12.0, "batch_size": 256, "hold_out": 0.1},
    },
    "synthetic": {
        "source": {"name": "synthetic", "n_samples": 6_144, "width": 48, "n_atoms": 96, "active": 4.0},
        "n_latents": 192,
        "output": "identity",
        "train": {"epochs": 24.0, "batch_size": 256, "hold_out": 0.15},
    },
}
AIMS: dict[str, dict[str, list[float]]] = {
    "digits": {"l0": [10.0], "mean_activity": [0.05, 0.2], "explained_variance": [0.6]},
    "synthetic": {"l0": [10.0], "mean_activity": [0.05, 0.2], "explained_variance": [0.85]},
}
"""Where codes are counted, their mean activity, which has the unit of the data, is not aimed at."""
MORE: list[dict[str, Any]] = [
    {"name": "jumprelu", "penalty": "tanh"},
    {"name": "jumprelu", "penalty": "quadratic"},
    {"name": "matryoshka", "base": "relu_l1"},
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("architectures", nargs="*")
    parser.add_argument("--data", nargs="*", default=list(DATA), choices=list(DATA))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print("| architecture | data | aim | held out | off | knob | dead |\n|---|---|---|---|---|---|---|")
    for spec in [*({"name": name} for name in names("architecture")), *MORE]:
        architecture: Architecture = build("architecture", spec)
        if architecture.knob is None or (asked.architectures and spec["name"] not in asked.architectures):
            continue
        measures = architecture.knob.moves - ({"mean_activity"} if "l0" in architecture.knob.moves else set())
        for data in asked.data:
            for measure, aims in AIMS[data].items():
                for aim in aims if measure in measures else []:
                    print(row(spec, data, measure, aim), flush=True)


def aimed(spec: dict[str, Any], data: str, measure: str, aim: float, times: float = 1.0) -> Job:
    """A training that is aimed, so many times as long. Where targets are needed, they are |R x| with a random R."""
    source: Source = build("source", DATA[data]["source"])
    if build("architecture", spec).targets:
        x = source.gather(torch.arange(len(source)))
        mixed = x @ torch.randn(x.shape[1], 32, generator=torch.Generator().manual_seed(0)) / x.shape[1] ** 0.5
        source = build("source", "arrays", data=x, target=mixed.abs())
    train = {**DATA[data]["train"], "epochs": times * DATA[data]["train"]["epochs"]}
    recipe = {**DATA[data], "source": None, "architecture": spec, "aim": {measure: aim}, "train": train}
    return prepare(Recipe.parse(recipe), source)


def row(spec: dict[str, Any], data: str, measure: str, aim: float) -> str:
    job = aimed(spec, data, measure, aim)
    job.trainer.fit(job.source)
    controller, dead = job.trainer.controller, job.trainer.n_dead
    assert controller is not None
    assert job.held_out is not None
    found = controller.settled(evaluate(job.sae, job.held_out), dead)
    called = " ".join(str(value) for value in spec.values())
    off = found["measured"] / aim - 1
    return (
        f"| {called} | {data} | {measure} {aim:g} | {found['measured']:.4g} | {off:+.1%} "
        f"| {found['knob']} {found['value']:.4g} | {dead} of {job.sae.n_latents} |"
    )


if __name__ == "__main__":
    main()
