"""Small data with a known answer."""

from typing import Any

import torch
from torch import Tensor

from sparsight.core import Source
from sparsight.job import Job, Recipe, prepare
from sparsight.spec import build

SIDE = 4
D, F, N = SIDE * SIDE, 24, 512


def dictionary(n_atoms: int = 20, width: int = D, seed: int = 0) -> Tensor:
    """Non-negative atoms of length one, each on a third of the inputs, [n_atoms, width]."""
    dice = torch.Generator().manual_seed(seed)
    atoms = torch.rand(n_atoms, width, generator=dice) * (torch.rand(n_atoms, width, generator=dice) < 0.33)
    atoms[torch.arange(n_atoms), torch.arange(n_atoms) % width] += 1.0
    return torch.nn.functional.normalize(atoms, dim=1)


def samples(n: int = N, seed: int = 1) -> Tensor:
    """Sums of a few atoms, between 0 and 1, [n, D]."""
    dice = torch.Generator().manual_seed(seed)
    codes = torch.rand(n, 20, generator=dice) * (torch.rand(n, 20, generator=dice) < 0.1)
    x = codes @ dictionary()
    return (x / 1.5).clamp(0, 1)


def mapped(x: Tensor) -> Tensor:
    """Targets of another width, and no linear function of the inputs, [n, 10]."""
    dice = torch.Generator().manual_seed(2)
    return (x @ torch.randn(D, 10, generator=dice).to(x)).abs()


def toy_source(n: int = N, *, pictures: bool = True, targets: bool = False, seed: int = 1, **more: Any) -> Source:
    """`samples` as a source, declared to be pictures of 4 × 4 pixels or not, with or without targets of their own."""
    shape = [SIDE, SIDE] if pictures else None
    x = samples(n, seed)
    return build("source", {"name": "arrays", "shape": shape}, data=x, target=mapped(x) if targets else None, **more)


def toy_job(
    architecture: str | dict[str, Any], source: Source | None = None, *, open_ended: bool = False, **recipe: Any
) -> Job:
    """A small training of an architecture, on data with targets where it needs them."""
    train = {
        "epochs": 30.0,
        "batch_size": 64,
        "lr": 1e-2,
        "dead_after": 2_000,
        "log_every": 10,
        **recipe.pop("train", {}),
    }
    spec = {"name": "toy", "n_latents": F, "architecture": architecture, "train": train, **recipe}
    source = source or toy_source(targets=build("architecture", architecture).targets)
    return prepare(Recipe.parse(spec), source, open_ended=open_ended)
