"""All architectures at one sparsity: `python benchmarks/architectures.py --mnist FOLDER [ARCHITECTURE ...]`.

Each is trained on MNIST's 60,000 digits with 1,024 features, its defaults, and 20 features per sample as its aim, and
measured on the 10,000 test digits. Beside the explained variance stands that of the same features where decoder rows
are fitted anew by least squares to the codes (`refit`), which takes shrinkage away, and of the same decoder where
codes are found by a pursuit (`pursuit`), which takes the encoder away: what is left is the dictionary's own. Those
whose codes are never 0, or are not the fewer for their knob, have no row, and those that need targets.
"""

import argparse
from pathlib import Path
from typing import Any

import torch
from acceptance import Mnist
from torch import Tensor

from sparsight.baselines._pursuit import pursue
from sparsight.core import SAE, Architecture, Source
from sparsight.job import Recipe, prepare
from sparsight.meters.quality import evaluate
from sparsight.spec import build, names

L0 = 20
RIDGE = 1e-4
"""Of the least squares, of the mean of the diagonal."""
MORE: dict[str, list[dict[str, Any]]] = {
    "jumprelu": [{"penalty": "tanh"}, {"penalty": "quadratic"}],
    "matryoshka": [{"base": "batch_topk"}, {"base": "relu_l1"}],
}
UNAIMED: dict[str, dict[str, Any]] = {"group_max": {"k": 16}}
"""Where the number of codes is no free choice, the nearest."""


def specs() -> list[dict[str, Any]]:
    """The architectures that have a row, with all their variants."""
    found = []
    for name in names("architecture"):
        architecture: Architecture = build("architecture", {"name": name, **UNAIMED.get(name, {})})
        aimed = architecture.knob is not None and "l0" in architecture.knob.moves
        if (aimed or name in UNAIMED) and not architecture.targets:
            found += [{"name": name, **more} for more in ({}, *MORE.get(name, []))]
    return found


def explained(target: Tensor, recon: Tensor) -> float:
    return float(1 - (target - recon).square().sum() / (target - target.mean(0)).square().sum())


def refitted(sae: SAE, train: Source, x: Tensor) -> Tensor:
    """x from its codes, with rows and offset by least squares over training samples, [N, D]."""
    products = x.new_zeros(sae.n_latents + 1, sae.n_latents + 1 + x.shape[1], dtype=torch.float64)
    for batch in train.chunks():
        codes = with_one(sae, batch.inputs)
        products += codes.T @ torch.cat([codes, batch.inputs.double()], 1)
    gram, wanted = products[:, : sae.n_latents + 1], products[:, sae.n_latents + 1 :]
    ridge = RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    return (with_one(sae, x) @ torch.linalg.solve(gram + ridge, wanted)).float()


def with_one(sae: SAE, x: Tensor) -> Tensor:
    codes = sae.transform(x).dense().double()
    return torch.cat([codes, codes.new_ones(len(codes), 1)], 1)


def row(spec: dict[str, Any], mnist: Mnist, epochs: float) -> str:
    recipe: dict[str, Any] = {"n_latents": 1024, "architecture": {**spec, **UNAIMED.get(spec["name"], {})}}
    train: dict[str, Any] = {"epochs": epochs}
    if spec["name"] not in UNAIMED:
        recipe["aim"], train["hold_out"] = {"l0": float(L0)}, 0.03
    job = prepare(Recipe.parse({**recipe, "output": "identity", "train": train}), mnist.train)
    job.trainer.fit(job.source)
    sae, controller = job.sae.eval(), job.trainer.controller
    set_to = UNAIMED[spec["name"]] if controller is None else {controller.knob.argument: controller.value}
    knob = " ".join(f"{name} {value:.4g}" for name, value in set_to.items())
    with torch.no_grad():
        quality = evaluate(sae, mnist.test)
        x = torch.cat([batch.inputs for batch in mnist.test.chunks()])
        atoms = sae.W_dec.detach()
        pursued = torch.cat([pursue(part - sae.b_dec, atoms, L0) @ atoms for part in x.split(1_000)]) + sae.b_dec
        refit = refitted(sae, mnist.train, x)
    return (
        f"| {' '.join(str(value) for value in spec.values())} | {knob} | {quality['l0']:.1f} "
        f"| {quality['explained_variance']:.3f} | {quality['silent']:.0f} | {explained(x, refit):.3f} "
        f"| {explained(x, pursued):.3f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mnist", type=Path, required=True)
    parser.add_argument("--epochs", type=float, default=10.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("architectures", nargs="*", metavar="ARCHITECTURE")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    mnist = Mnist(asked.mnist)
    print("| architecture | knob | L0 | explained | dead | refit | pursuit |\n|---|---|---|---|---|---|---|")
    for spec in specs():
        if not asked.architectures or spec["name"] in asked.architectures:
            print(row(spec, mnist, asked.epochs), flush=True)


if __name__ == "__main__":
    main()
