"""Models with one fault planted, and healthy ones.

Thresholds were chosen on `calibration`. `test` was written and run after that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from faults.faulty_data import data
from faults.faulty_nets import fit, model
from sparsight.core import Finding, Model
from sparsight.diagnosis import diagnose
from sparsight.errors import SparsightError
from sparsight.job import Recipe, train
from sparsight.run import Run
from sparsight.spec import build

Look = Callable[[Path], list[Finding]]


@dataclass(frozen=True)
class Entry:
    rule: str | None
    """What was planted; None: it is healthy."""
    data: str
    kind: str
    """A short name."""
    look: Look

    @property
    def name(self) -> str:
        return f"{self.rule or 'healthy'}: {self.kind}, {self.data}"


Change = Callable[[Tensor], Tensor]


def net(
    rule: str | None,
    on: str,
    kind: str,
    *,
    told: dict[str, Any] | None = None,
    change: Change | None = None,
    crafted: Callable[[dict[str, Tensor]], None] | None = None,
    wobble: float = 0.0,
    few: int | None = None,
    order: bool = False,
    again: bool = False,
    held_out: bool = False,
    **how: Any,
) -> Entry:
    """A plain network, and what its user says of it."""

    def look(folder: Path) -> list[Finding]:
        given = data(on)
        x, test = given.train, given.test
        if order:
            assert given.labels is not None
            x = x[given.labels.argsort(stable=True)]
        if few is not None:
            x = x[:few]
        if change is not None:
            x, test = change(x), change(test)
        weights = fit(x, **how)
        if crafted is not None:
            crafted(weights)
        parts = {name: how[name] for name in ("act", "out", "k") if name in how}
        more: dict[str, Any] = dict(told or {})
        if again:
            more["again"] = model(fit(x, **{**how, "seed": 1}), **parts)
        if held_out:
            more["held_out"] = test
        looked: Model = model(weights, **parts, wobble=wobble)
        return diagnose(looked, x if order or few is not None or held_out else test, shape=given.shape, **more)

    return Entry(rule, on, kind, look)


def run(
    rule: str | None, on: str, kind: str, *, change: Change | None = None, few: int | None = None, **recipe: Any
) -> Entry:
    """A run of ours."""

    def look(folder: Path) -> list[Finding]:
        given = data(on)
        x = given.train if few is None else given.train[:few]
        x = x if change is None else change(x)
        source = build(
            "source", {"name": "arrays", "shape": None if given.shape is None else list(given.shape)}, data=x
        )
        asked = {"n_latents": 64, "preprocess": [{"name": "scale"}], **recipe}
        asked["train"] = {
            "epochs": 15.0,
            "hold_out": 0.2,
            "log_every": 10,
            "dead_after": 3000,
            **recipe.get("train", {}),
        }
        place = folder / kind.replace(" ", "-").replace("/", "-")
        try:
            made = train(Recipe.parse(asked), place, source)
        except SparsightError:
            if not place.exists():
                raise
            made = Run.open(place)
        return diagnose(made, source)

    return Entry(rule, on, kind, look)


def standardised(x: Tensor) -> Tensor:
    return (x - x.mean(0)) / (x.std(0) + 1e-8)


def by_255(x: Tensor) -> Tensor:
    return 255 * x


def copies(weights: dict[str, Tensor]) -> None:
    """Half of the features become copies of others, and share the work."""
    n = len(weights["w1"]) // 4
    for name in ("w1", "b1", "w2"):
        weights[name][-n:] = weights[name][:n]
    weights["w2"][:n] /= 2
    weights["w2"][-n:] /= 2


def one_giant(weights: dict[str, Tensor]) -> None:
    """One feature with a scale of its own: 60 times the filter, a 60th of the row and back."""
    largest = weights["w1"].norm(dim=1).argmax()
    weights["w1"][largest] *= 60
    weights["b1"][largest] *= 60
    weights["w2"][largest] /= 60


def snow(weights: dict[str, Tensor]) -> None:
    """Noise on inputs that hardly vary, as large as the rest: what no gradient takes away."""
    w1 = weights["w1"]
    still = data("digits" if w1.shape[1] == 784 else "clothes").train.std(0) < 0.02
    dice = torch.Generator().manual_seed(8)
    w1[:, still] = 1.5 * w1.square().mean().sqrt() * torch.randn(len(w1), int(still.sum()), generator=dice)


def silenced(weights: dict[str, Tensor]) -> None:
    """Two of five features are so far below that no sample reaches them."""
    weights["b1"][: 2 * len(weights["b1"]) // 5] = -1e3


def slid(weights: dict[str, Tensor]) -> None:
    """What an L1 penalty of the codes asks for: they become small, and decoder rows long."""
    weights["w1"] /= 30
    weights["b1"] /= 30
    weights["w2"] *= 30


def some_nan(weights: dict[str, Tensor]) -> None:
    weights["w1"][3:9] = torch.nan


KL: dict[str, Any] = {"beta": 3.0, "decay": 3e-3, "target": 0.1}
TOPK: dict[str, Any] = {"act": "relu", "k": 6, "start": "tied", "tied": True, "lr": 2e-3, "epochs": 25}
SIGMOID: dict[str, Any] = {"name": "sigmoid_kl"}
BLOCKS: dict[str, Any] = {**TOPK, "k": 12, "epochs": 4, "batch": 10, "decay": 1e-3}
INK: dict[str, Any] = {**KL, "out": "sigmoid", "lr": 3e-3, "epochs": 30}
EACH: dict[str, Any] = {"terms": {"kl_per_activation": {"target": 0.1, "weight": 3.0}}}


def calibration() -> list[Entry]:
    """Every fault, planted at least twice, and healthy models."""
    told: dict[str, Any] = {"target": 0.1}
    unmixed: dict[str, Any] = {"n_latents": 96}
    ours: dict[str, Any] = {"train": {"epochs": 25.0}}
    return [
        net("not-finite", "digits", "gradient descent at too high a rate", told=told, **KL, optimizer="sgd", lr=3e3,
            epochs=1),
        net("not-finite", "vectors", "ReLU at too high a rate", act="relu", optimizer="sgd", lr=50.0, epochs=2),
        net("not-finite", "clothes", "filters of NaN", crafted=some_nan, **KL),
        run("not-finite", "activations", "loss that bursts", architecture={"name": "relu_l1", "l1": 0.1},
            train={"lr": 3.0, "epochs": 10.0, "log_every": 1}),
        run("not-finite", "digits", "gradient descent of ours", architecture=SIGMOID, preprocess=[],
            train={"optimizer": "sgd", "lr": 1e4, "log_every": 1}),

        run("penalty-too-weak", "digits", "KL of .001", architecture={**SIGMOID, "kl": 1e-3}, preprocess=[],
            train={"epochs": 40.0}),
        run("penalty-too-weak", "clothes", "KL of .004", architecture={**SIGMOID, "kl": 4e-3}, preprocess=[]),
        run("penalty-too-weak", "vectors", "L1 of 1e-4", architecture={"name": "relu_l1", "l1": 1e-4}),
        run("penalty-too-weak", "activations", "L1 of 1e-3", architecture={"name": "relu_l1", "l1": 1e-3}),
        run("penalty-too-weak", "patches", "gate's L1 of 1e-4", architecture={"name": "gated", "l1": 1e-4}),

        run("penalty-per-activation", "digits", "KL of every activation", preprocess=[], **EACH, output="identity",
            architecture={**SIGMOID, "kl": 0.0}),
        net("penalty-per-activation", "digits", "KL of every activation, weights alone", penalty="each", **KL),
        net("penalty-per-activation", "clothes", "KL of every activation, weights alone", penalty="each", **KL),
        run("penalty-per-activation", "clothes", "KL of every activation", preprocess=[], **EACH,
            architecture={**SIGMOID, "kl": 0.0}),
        net("penalty-per-activation", "patches", "told target", told=told, penalty="each", **{**KL, "beta": 10.0}),

        net("penalty-out-of-range", "digits", "KL of tanh", told=told, act="tanh", **KL),
        net("penalty-out-of-range", "vectors", "KL of ReLU", told=told, act="relu", **KL),
        net("penalty-out-of-range", "clothes", "KL of ReLU", told=told, act="relu", **KL),
        net("penalty-out-of-range", "activations", "KL of linear codes", told=told, act="linear", **KL),

        net("half-a-divergence", "digits", "first half", told=told, halves="first", **KL),
        net("half-a-divergence", "clothes", "first half", told=told, halves="first", **KL),
        net("half-a-divergence", "digits", "second half", told=told, halves="second", **KL),
        net("half-a-divergence", "clothes", "second half", told=told, halves="second", **{**KL, "epochs": 50}),

        net("penalty-dominates", "digits", "KL of 1,000", told=told, **{**KL, "beta": 1000.0}, penalty="mean"),
        run("penalty-dominates", "vectors", "L1 of 100", architecture={"name": "relu_l1", "l1": 100.0}),
        run("penalty-dominates", "activations", "L1 of 100", architecture={"name": "relu_l1", "l1": 100.0}),
        run("filters-collapsed", "clothes", "decay of 30", preprocess=[], architecture={**SIGMOID, "decay": 30.0}),
        net("penalty-dominates", "patches", "L1 of 30", act="relu", l1=30.0),

        net("filters-collapsed", "digits", "decay of .3", **{**KL, "decay": 0.3}),
        run("filters-collapsed", "digits", "decay of .3 of ours", preprocess=[], architecture={**SIGMOID,
            "decay": 0.3}),
        net("filters-collapsed", "clothes", "decay of .3", **{**KL, "decay": 0.3}),
        run("filters-collapsed", "clothes", "decay of .5 of ours", preprocess=[], architecture={**SIGMOID,
            "decay": 0.5}),

        net("noise-filters", "digits", "no decay", told=told, **{**KL, "decay": 0.0}),
        net("noise-filters", "clothes", "no decay", told=told, **{**KL, "decay": 0.0}),
        net("noise-filters", "digits", "no decay, 100 units", **{**KL, "decay": 0.0}, n=100, lr=2e-3),
        net("noise-filters", "clothes", "no decay, 100 units", **{**KL, "decay": 0.0}, n=100, lr=2e-3),

        net("frozen-inputs", "digits", "TopK without decay", **{**TOPK, "start": "xavier", "k": 20}, bias=0.1),
        net("frozen-inputs", "digits", "TopK without decay, 100", **{**TOPK, "start": "xavier", "k": 25, "n": 100},
            bias=0.1),
        run("frozen-inputs", "digits", "random rows with Adam", architecture={"name": "relu_l1", "l1": 2.0},
            initialisation={"name": "random", "norm": 0.5}, train={"lr": 2e-3}),
        run("frozen-inputs", "clothes", "random rows with Adam", architecture={"name": "relu_l1", "l1": 2.0},
            initialisation={"name": "random", "norm": 0.5}, train={"lr": 2e-3}),

        net("dead", "digits", "naive TopK", act="relu", k=3, n=256, lr=1e-2),
        net("dead", "vectors", "ReLU pushed below", act="relu", bias=-2.0, n=128, l1=0.02),
        run("dead", "activations", "TopK without revival", n_latents=512, initialisation="random",
            architecture={"name": "topk", "k": 4, "auxk": 0.0}, train={"lr": 3e-2}),
        net("dead", "clothes", "naive TopK", act="relu", k=2, n=256, lr=1e-2),
        run("dead", "digits", "TopK without revival", n_latents=512, initialisation="random",
            architecture={"name": "topk", "k": 3, "auxk": 0.0}, train={"lr": 3e-2}),

        net("dense", "digits", "ReLU without penalty", act="relu", n=24, decay=3e-3),
        net("dense", "vectors", "ReLU without penalty", act="relu", n=24),
        run("dense", "patches", "TopK with k of half", n_latents=40, architecture={"name": "topk", "k": 20}),
        net("dense", "clothes", "sigmoid without penalty", n=16, decay=1e-3),
        run("dense", "activations", "TopK with k of half", n_latents=24, architecture={"name": "topk", "k": 12}),

        net("target-missed", "digits", "KL of .15", told=told, **{**KL, "beta": 0.15}),
        net("target-missed", "clothes", "KL of .1", told=told, **{**KL, "beta": 0.1}),
        net("target-missed", "patches", "asked for .01", told={"target": 0.01}, **{**KL, "target": 0.05}),
        net("target-missed", "digits", "asked for .02", told={"target": 0.02}, **{**KL, "target": 0.06}),

        net("small-batch", "digits", "batches of 20", told={"target": 0.1, "batch_size": 20}, batch=20, **{**INK,
            "epochs": 8}),
        net("small-batch", "clothes", "batches of 16", told={"target": 0.1, "batch_size": 16}, batch=16, **{**INK,
            "epochs": 8}),

        net("identity", "vectors", "ReLU, twice as many features", act="relu", n=128, lr=3e-3, epochs=30),
        net("identity", "activations", "linear codes", act="linear", n=96, lr=3e-3, epochs=20),
        run("identity", "digits", "ReLU without L1", n_latents=256, architecture={"name": "relu_l1", "l1": 0.0}),
        net("identity", "patches", "linear codes", act="linear", n=128, lr=3e-3, epochs=20),

        net("not-learning", "digits", "pixels up to 255", change=by_255, **KL),
        net("not-learning", "clothes", "pixels up to 255", change=by_255, **KL),
        net("not-learning", "vectors", "rate of 1e-7", act="relu", lr=1e-7),
        net("not-learning", "digits", "start at zero", act="relu", start="zero"),
        run("not-learning", "activations", "rate of 1e-7", architecture={"name": "relu_l1", "l1": 0.1},
            train={"lr": 1e-7},
            initialisation={"name": "random"}),
        run("not-learning", "digits", "rate of 1e-7", preprocess=[], architecture=SIGMOID, train={"lr": 1e-7}),

        net("output-range", "patches", "sigmoid output", out="sigmoid", act="relu", k=8, lr=2e-3),
        net("output-range", "vectors", "sigmoid output", out="sigmoid", act="relu", l1=0.01),
        net("output-range", "patches", "ReLU output", out="relu", act="relu", k=8, lr=2e-3),
        net("output-range", "vectors", "ReLU output", out="relu", act="relu", l1=0.01),

        net("rare-inputs", "digits", "standardised pixels", change=standardised, **KL),
        net("rare-inputs", "clothes", "standardised pixels", change=lambda x: standardised(rare(x)), **KL),
        run("rare-inputs", "digits", "standardised pixels of ours", change=standardised, architecture={"name": "topk",
            "k": 6}),
        net("rare-inputs", "digits", "standardised, TopK", change=standardised, **TOPK),

        net("raw-patches", "raw_patches", "TopK", **{**TOPK, "k": 4}),
        run("raw-patches", "raw_patches", "TopK of ours", architecture={"name": "topk", "k": 4}),
        net("raw-patches", "raw_patches", "sigmoid units", **{**KL, "decay": 1e-3}),
        run("raw-patches", "raw_patches", "ReLU of ours", architecture={"name": "relu_l1", "l1": 0.5}),

        net("l1-gaming", "vectors", "a scale that slid", crafted=slid, act="relu", l1=0.5, lr=5e-3, epochs=25),
        net("l1-gaming", "patches", "a scale that slid", crafted=slid, act="relu", l1=0.5, lr=3e-3),
        net("l1-gaming", "activations", "a scale that slid", crafted=slid, act="relu", n=32, l1=0.05),
        net("l1-gaming", "digits", "a scale that slid", crafted=slid, **{**TOPK, "k": 8}, decay=3e-3),

        net("duplicates", "vectors", "copied rows", crafted=copies, **{**TOPK, "n": 96}),
        net("duplicates", "digits", "copied rows", crafted=copies, **{**KL, "n": 64}),
        net("duplicates", "patches", "copied rows", crafted=copies, **TOPK),
        net("duplicates", "clothes", "copied rows", crafted=copies, **KL),

        net("noise-in-use", "digits", "noise left on", wobble=0.3, noise=0.3, **KL),
        net("noise-in-use", "vectors", "noise left on", wobble=0.1, noise=0.1, **TOPK),

        net("noise-strength", "digits", "std .01", told={"noise": 0.01}, noise=0.01, **INK),
        net("noise-strength", "clothes", "std 2", told={"noise": 2.0}, noise=2.0, **INK),
        run("noise-strength", "vectors", "std .01 of ours", architecture={"name": "topk", "k": 4}, n_latents=96,
            corruption={"name": "gaussian", "std": 0.01}),
        run("noise-strength", "patches", "std 3 of ours", architecture={"name": "topk", "k": 6},
            corruption={"name": "gaussian", "std": 3.0}),

        net("order", "digits", "class by class", order=True, shuffle=False, **BLOCKS),
        net("order", "clothes", "class by class", order=True, shuffle=False, **BLOCKS),
        net("order", "activations", "class by class", order=True, shuffle=False, **BLOCKS),
        net("order", "clothes", "class by class, k of 6", order=True, shuffle=False, **{**BLOCKS, "k": 6}),

        run("overfit", "digits", "150 samples of ours", few=150, n_latents=128, architecture={"name": "topk", "k": 16},
            train={"epochs": 200.0, "batch_size": 30}),
        run("overfit", "clothes", "150 samples of ours", few=150, n_latents=128, architecture={"name": "topk", "k": 16},
            train={"epochs": 200.0, "batch_size": 30}),
        run("overfit", "vectors", "200 samples of ours", few=200, n_latents=256, architecture={"name": "topk", "k": 4},
            train={"epochs": 150.0, "batch_size": 50}),
        run("overfit", "activations", "150 samples of ours", few=150, n_latents=128, architecture={"name": "topk",
            "k": 8},
            train={"epochs": 150.0, "batch_size": 50}),

        net("display", "digits", "one giant", crafted=one_giant, **INK),
        net("display", "clothes", "one giant", crafted=one_giant, **INK),

        net("templates", "digits", "100 samples, one feature each", few=100, n=100, act="relu", k=1, start="data",
            lr=1e-3, epochs=100, batch=20),
        net("templates", "vectors", "60 samples, one feature each", few=60, n=60, act="relu", k=1, start="data",
            lr=1e-3, epochs=100, batch=20),
        run("templates", "digits", "120 samples of ours", few=120, n_latents=120, architecture={"name": "topk", "k": 1},
            train={"hold_out": 0.0, "epochs": 60.0, "batch_size": 30}),
        run("templates", "clothes", "120 samples of ours", few=120, n_latents=120, architecture={"name": "topk",
            "k": 1},
            train={"hold_out": 0.0, "epochs": 60.0, "batch_size": 30}),

        net("unstable", "vectors", "other noise", change=noise_like, again=True, **{**TOPK, "k": 8}),
        net("unstable", "patches", "noise", change=noise_like, again=True, **{**TOPK, "k": 8}),

        net("linear-output", "digits", "UFLDL but for its output", told=told, **{**INK, "out": "linear"}),
        net("linear-output", "clothes", "UFLDL but for its output", told=told, **{**INK, "out": "linear"}),

        run("no-weight-decay", "digits", "sigmoid units without decay", preprocess=[], architecture={**SIGMOID,
            "decay": 0.0}),
        run("no-weight-decay", "clothes", "sigmoid units without decay", preprocess=[], architecture={**SIGMOID,
            "decay": 0.0}),

        net(None, "digits", "UFLDL", told={"target": 0.1, "batch_size": 100}, **INK),
        net(None, "clothes", "UFLDL", told={"target": 0.1, "batch_size": 100}, **INK),
        net(None, "vectors", "TopK by hand", **{**TOPK, "k": 4, "n": 96}),
        net(None, "patches", "TopK by hand", **TOPK),
        net(None, "vectors", "ReLU and L1 by hand", act="relu", n=96, l1=0.3, lr=5e-3, epochs=25),
        run(None, "digits", "UFLDL of ours", preprocess=[], architecture=SIGMOID, **ours),
        run(None, "digits", "contractive", preprocess=[], architecture={"name": "contractive"}, train={"epochs": 80.0}),
        run(None, "digits", "topk", architecture={"name": "topk", "k": 12}, **ours),
        run(None, "clothes", "topk", architecture={"name": "topk", "k": 10}, **ours),
        run(None, "patches", "topk", architecture={"name": "topk", "k": 8}, **ours),
        run(None, "vectors", "topk", architecture={"name": "topk", "k": 4}, **unmixed, **ours),
        run(None, "activations", "topk", architecture={"name": "topk", "k": 8}, **ours),
        run(None, "vectors", "batch_topk", architecture={"name": "batch_topk", "k": 4}, **unmixed, **ours),
        run(None, "digits", "batch_topk", architecture={"name": "batch_topk", "k": 12}, **ours),
        run(None, "vectors", "relu_l1", architecture={"name": "relu_l1", "l1": 0.3}, **unmixed, **ours),
        run(None, "digits", "relu_l1", architecture={"name": "relu_l1", "l1": 2.0}, **ours),
        run(None, "vectors", "jumprelu", architecture={"name": "jumprelu"}, aim={"l0": 5.0}, **unmixed, **ours),
        run(None, "digits", "jumprelu", architecture={"name": "jumprelu"}, aim={"l0": 12.0}, **ours),
        run(None, "vectors", "gated", architecture={"name": "gated"}, aim={"l0": 6.0}, **unmixed, **ours),
        run(None, "clothes", "gated", architecture={"name": "gated"}, aim={"l0": 10.0}, **ours),
        run(None, "vectors", "matryoshka", architecture={"name": "matryoshka"}, n_latents=128, **ours),
        run(None, "digits", "matching_pursuit", architecture={"name": "matching_pursuit"}, **ours),
        run(None, "digits", "winner_take_all", architecture={"name": "winner_take_all"}, **ours),
        run(None, "digits", "abs_topk", architecture={"name": "abs_topk", "k": 10}, **ours),
        run(None, "patches", "p_annealing", architecture={"name": "p_annealing"}, aim={"l0": 8.0}, **ours),
        run(None, "clothes", "group_max", architecture={"name": "group_max", "k": 8}, **ours),
    ]  # fmt: skip


def rare(x: Tensor) -> Tensor:
    """Inputs that never vary get a grey value in one sample of a thousand."""
    x = x.clone()
    still = (x.std(0) < 0.02).nonzero().squeeze(1)
    dice = torch.Generator().manual_seed(5)
    hit = torch.rand(len(x), len(still), generator=dice) < 1e-3
    x[:, still] += 0.2 * hit
    return x


def noise_like(x: Tensor) -> Tensor:
    return torch.randn(x.shape, generator=torch.Generator().manual_seed(len(x)))


def test() -> list[Entry]:
    """Others: other sizes, seeds, strengths and data."""
    told: dict[str, Any] = {"target": 0.05}
    unmixed: dict[str, Any] = {"n_latents": 128}
    ours: dict[str, Any] = {"train": {"epochs": 30.0}, "seed": 32}
    rare5 = {**KL, "target": 0.05, "beta": 4.0, "seed": 31, "n": 72}
    ink = {**INK, "target": 0.05, "beta": 4.0, "seed": 31, "n": 72}
    top = {**TOPK, "n": 88, "seed": 31, "lr": 1.5e-3}
    lr1 = {"name": "relu_l1"}
    return [
        net("not-finite", "activations", "ReLU at a rate of 100", act="relu", optimizer="sgd", lr=100.0, epochs=2,
            seed=31),
        net("not-finite", "patches", "filters of NaN", crafted=some_nan, **top),
        run("not-finite", "vectors", "loss that bursts", architecture={**lr1, "l1": 0.2}, seed=32,
            train={"lr": 5.0, "epochs": 10.0, "log_every": 1}),

        run("penalty-too-weak", "digits", "KL of .002", architecture={**SIGMOID, "kl": 2e-3}, preprocess=[],
            n_latents=96,
            train={"epochs": 30.0}, seed=32),
        run("penalty-too-weak", "patches", "L1 of 1e-3", architecture={**lr1, "l1": 1e-3}, n_latents=150, seed=32),
        run("penalty-too-weak", "clothes", "gate's L1 of 1e-4", architecture={"name": "gated", "l1": 1e-4}, seed=32),

        run("penalty-per-activation", "digits", "at 10", preprocess=[], architecture={**SIGMOID, "kl": 0.0}, seed=32,
            terms={"kl_per_activation": {"target": 0.05, "weight": 10.0}}),
        net("penalty-per-activation", "clothes", "weights alone, at 10", penalty="each", **{**rare5, "beta": 10.0}),
        net("penalty-per-activation", "digits", "weights alone, told", told=told, penalty="each", **rare5),

        net("penalty-out-of-range", "clothes", "KL of tanh", told=told, act="tanh", **rare5),
        net("penalty-out-of-range", "patches", "KL of ReLU", told=told, act="relu", **rare5),

        net("half-a-divergence", "clothes", "first half", told=told, halves="first", **ink),
        net("half-a-divergence", "activations", "first half", told=told, halves="first", **rare5),
        net("half-a-divergence", "digits", "second half", told=told, halves="second", **{**rare5, "epochs": 30}),

        net("penalty-dominates", "clothes", "KL of 500", told=told, **{**rare5, "beta": 500.0}),
        run("penalty-dominates", "digits", "L1 of 200", architecture={**lr1, "l1": 200.0}, seed=32),
        net("penalty-dominates", "vectors", "L1 of 50", act="relu", l1=50.0, seed=31),

        net("filters-collapsed", "digits", "decay of .4", **{**rare5, "decay": 0.4}),
        run("filters-collapsed", "clothes", "decay of 1", preprocess=[], architecture={**SIGMOID, "decay": 1.0},
            seed=32),

        net("noise-filters", "digits", "no decay", told=told, **{**rare5, "decay": 0.0}),
        net("noise-filters", "clothes", "hardly any decay", told=told, **{**rare5, "decay": 1e-5}),

        net("frozen-inputs", "clothes", "snow", crafted=snow, **ink),
        run("frozen-inputs", "digits", "random rows", architecture={**lr1, "l1": 2.0}, n_latents=96, seed=32,
            initialisation={"name": "random", "norm": 1.0}, train={"lr": 2e-3}),

        net("dead", "activations", "naive TopK", act="relu", k=2, n=200, lr=1e-2, seed=31),
        net("dead", "vectors", "two of five silenced", crafted=silenced, **{**TOPK, "k": 4, "n": 96, "seed": 31}),
        run("dead", "clothes", "TopK without revival", n_latents=400, initialisation="random", seed=32,
            architecture={"name": "topk", "k": 3, "auxk": 0.0}, train={"lr": 3e-2}),

        net("dense", "activations", "sigmoid without penalty", n=20, seed=31),
        run("dense", "clothes", "TopK with k of half", n_latents=20, architecture={"name": "topk", "k": 10}, seed=32),
        net("dense", "patches", "ReLU without penalty", act="relu", n=40, seed=31),

        net("target-missed", "clothes", "KL of .05", told={"target": 0.1}, **{**KL, "beta": 0.05, "seed": 31}),
        net("target-missed", "activations", "asked for .02", told={"target": 0.02}, **{**KL, "target": 0.08,
            "seed": 31}),

        net("small-batch", "digits", "batches of 50 for .05", told={"target": 0.05, "batch_size": 50}, **{**ink,
            "batch": 50}),
        net("small-batch", "clothes", "batches of 40 for .05", told={"target": 0.05, "batch_size": 40}, **{**ink,
            "batch": 40}),

        net("identity", "patches", "ReLU, four times as many", act="relu", n=400, lr=3e-3, epochs=20, seed=31),
        net("identity", "digits", "linear codes", act="linear", n=300, lr=2e-3, epochs=20, seed=31),

        net("not-learning", "digits", "pixels up to 255", change=by_255, **rare5),
        net("not-learning", "clothes", "start at zero", act="relu", start="zero", seed=31),
        run("not-learning", "vectors", "rate of 1e-7", architecture={"name": "topk", "k": 4}, train={"lr": 1e-7},
            seed=32,
            initialisation="random"),

        net("output-range", "vectors", "sigmoid output, TopK", out="sigmoid", **{**top, "k": 4}),
        net("output-range", "digits", "standardised, ReLU output", out="relu",
            change=lambda x: (x - x.mean(0)) / x.std(),
            **{**top, "k": 12}),

        net("rare-inputs", "digits", "standardised, told", told=told, change=standardised, **rare5),
        run("rare-inputs", "clothes", "standardised of ours", change=lambda x: standardised(rare(x)), seed=32,
            architecture={"name": "batch_topk", "k": 8}),

        net("raw-patches", "raw_patches", "TopK, 96", **{**top, "k": 5}),
        run("raw-patches", "raw_patches", "jumprelu", architecture={"name": "jumprelu"}, seed=32),

        net("l1-gaming", "patches", "a scale that slid", crafted=slid, **{**top, "k": 8}),
        net("l1-gaming", "clothes", "a scale that slid", crafted=slid, **{**top, "k": 14}, decay=3e-3),

        net("duplicates", "patches", "copied rows", crafted=copies, **top),
        net("duplicates", "digits", "copied rows", crafted=copies, **ink),

        net("noise-in-use", "clothes", "noise left on", wobble=0.2, noise=0.2, **ink),
        net("noise-in-use", "activations", "noise left on", wobble=0.3, noise=0.3, **rare5),

        net("noise-strength", "clothes", "std .005", told={"noise": 0.005}, noise=0.005, **ink),
        run("noise-strength", "digits", "std 3 of ours", architecture={"name": "topk", "k": 10}, seed=32,
            corruption={"name": "gaussian", "std": 3.0}),

        net("order", "clothes", "class by class", order=True, shuffle=False, **{**BLOCKS, "seed": 31, "n": 96}),
        net("order", "digits", "k of 8", order=True, shuffle=False, **{**BLOCKS, "seed": 31, "k": 8}),

        run("overfit", "patches", "300 samples", few=300, n_latents=128, architecture={"name": "topk", "k": 10},
            seed=32, train={"epochs": 150.0, "batch_size": 50}),
        run("overfit", "clothes", "100 samples", few=100, n_latents=96, architecture={"name": "batch_topk", "k": 12},
            seed=32,
            train={"epochs": 200.0, "batch_size": 20}),

        net("display", "clothes", "one giant", crafted=one_giant, **ink),
        net("display", "digits", "one giant", crafted=one_giant, **ink),

        net("templates", "patches", "80 samples, one feature each", few=80, n=80, act="relu", k=1, start="data",
            lr=1e-3, epochs=100, batch=20, seed=31),
        run("templates", "digits", "150 samples of ours", few=150, n_latents=150, architecture={"name": "topk", "k": 1},
            train={"hold_out": 0.0, "epochs": 50.0, "batch_size": 30}, seed=32),

        net("unstable", "vectors", "other noise", change=noise_like, again=True, **{**top, "n": 64, "k": 6}),
        net("unstable", "activations", "noise", change=noise_like, again=True, **{**top, "k": 8}),

        run("no-weight-decay", "digits", "100 sigmoid units", preprocess=[], n_latents=100, seed=32,
            architecture={**SIGMOID, "decay": 0.0, "target": 0.05}),
        run("no-weight-decay", "clothes", "100 sigmoid units", preprocess=[], n_latents=100, seed=32,
            architecture={**SIGMOID, "decay": 0.0, "target": 0.05}),

        net("linear-output", "digits", "UFLDL but for its output", told={"target": 0.1}, **{**INK, "out": "linear",
            "decay": 0.01}),
        net("linear-output", "clothes", "UFLDL but for its output", told={"target": 0.1}, **{**INK, "out": "linear",
            "decay": 0.01}),

        net(None, "digits", "UFLDL at .05", told={"target": 0.05, "batch_size": 200}, **{**ink, "batch": 200,
            "epochs": 50}),
        net(None, "clothes", "UFLDL at .1", told={"target": 0.1, "batch_size": 100}, **{**INK, "seed": 31, "n": 72}),
        net(None, "vectors", "TopK by hand", **{**TOPK, "k": 4, "n": 90, "seed": 31}),
        net(None, "patches", "ReLU and L1 by hand", act="relu", n=64, l1=1.0, lr=3e-3, epochs=25, seed=31),
        run(None, "digits", "UFLDL of ours", preprocess=[], architecture=SIGMOID, n_latents=96,
            train={"epochs": 40.0}, seed=32),
        run(None, "digits", "topk", architecture={"name": "topk", "k": 16}, n_latents=128, **ours),
        run(None, "clothes", "batch_topk", architecture={"name": "batch_topk", "k": 10}, **ours),
        run(None, "patches", "matryoshka", architecture={"name": "matryoshka"}, n_latents=128, **ours),
        run(None, "vectors", "topk", architecture={"name": "topk", "k": 5}, **unmixed, **ours),
        run(None, "activations", "batch_topk", architecture={"name": "batch_topk", "k": 8}, **ours),
        run(None, "patches", "jumprelu", architecture={"name": "jumprelu"}, aim={"l0": 8.0}, **ours),
        run(None, "vectors", "gated", architecture={"name": "gated"}, aim={"l0": 5.0}, **unmixed, **ours),
        run(None, "digits", "relu_l1", architecture={**lr1, "l1": 2.5}, n_latents=96, **ours),
        run(None, "digits", "abs_topk", architecture={"name": "abs_topk", "k": 12}, **ours),
        run(None, "clothes", "matching_pursuit", architecture={"name": "matching_pursuit"}, **ours),
        run(None, "digits", "contractive", preprocess=[], architecture={"name": "contractive"}, seed=32,
            train={"epochs": 80.0}),
        run(None, "vectors", "p_annealing", architecture={"name": "p_annealing"}, aim={"l0": 5.0}, **unmixed, **ours),
        run(None, "digits", "group_max", architecture={"name": "group_max", "k": 16}, **ours),
    ]  # fmt: skip
