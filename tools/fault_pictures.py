"""A picture of each fault, beside a model without it; networks are those of the bench of broken models."""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from faults import bench
from faults.bench import BLOCKS, INK, KL, SIGMOID, TOPK
from faults.faulty_data import Data, data
from faults.faulty_nets import decode, encode, fit, kl
from torch import Tensor
from torch.nn import functional

from sparsight.core import Logged
from sparsight.run import Run
from sparsight.views.charts import bars, lines, scatter
from sparsight.views.pictures import coloured, grid, side_by_side, tiled

Picture = np.ndarray | str
PICTURES: dict[str, Callable[[], Picture]] = {}
COLUMNS = 6
Net = dict[str, Tensor]


def picture(draw: Callable[[], Picture]) -> Callable[[], Picture]:
    """Draws the rule that the function is named after."""
    PICTURES[draw.__name__.replace("_", "-")] = draw
    return draw


@cache
def net(on: str, change: Callable[[Tensor], Tensor] = torch.clone, few: int | None = None, **how: Any) -> Net:
    """Trained weights; each network once."""
    return fit(change(data(on).train[:few]), **how)


def codes(weights: Net, x: Tensor, *, act: str = "sigmoid", k: int = 0, **_: Any) -> Tensor:
    return encode(weights, x, act, k)


def rebuilt(weights: Net, x: Tensor, *, out: str = "linear", **how: Any) -> Tensor:
    return decode(weights, codes(weights, x, **how), out)


def explained(x: Tensor, recon: Tensor) -> float:
    return 1 - float((x - recon).square().sum() / (x - x.mean(0)).square().sum())


def zoom(on: str) -> int:
    return round(50 / _shape(data(on))[0])


def _shape(given: Data) -> tuple[int, ...]:
    assert given.shape is not None
    return given.shape


def filters(on: str, *parts: Tensor, **how: Any) -> np.ndarray:
    """The first few of each part, one part below the other, each filter on its own scale."""
    n = (3 if len(parts) == 1 else 2) * COLUMNS
    each = [part[:n].split(COLUMNS) for part in parts]
    mixed = torch.cat([row for block in zip(*each, strict=True) for row in block])
    return grid(mixed, _shape(data(on)), zoom=zoom(on), columns=COLUMNS, **how)


def samples(on: str, *parts: Tensor, columns: int = COLUMNS) -> np.ndarray:
    """A few of each part, one part below the other, from black at 0 to white at 1."""
    height, width = _shape(data(on))[:2]
    tiles = coloured(torch.cat([part[:columns] for part in parts]).reshape(-1, height, width, 1))
    return tiled(tiles, columns).repeat(zoom(on), axis=0).repeat(zoom(on), axis=1)


def ran(on: str, **recipe: Any) -> list[Logged]:
    """The log of a run of the bench."""
    with TemporaryDirectory() as folder:
        bench.run(None, on, "run", **recipe).look(Path(folder))
        return Run.open(Path(folder) / "run").log()


def ran_filters(on: str, **recipe: Any) -> Tensor:
    """The encoder of a run of the bench, in raw units."""
    with TemporaryDirectory() as folder:
        bench.run(None, on, "run", **recipe).look(Path(folder))
        return Run.open(Path(folder) / "run").sae().filters_of_inputs()["encoder"]


def nearest(rows: Tensor, others: Tensor, *, itself: bool = True) -> Tensor:
    """Of `others` the one with the largest cosine to each row; `itself`: its own place does not count."""
    cosines = functional.normalize(rows, dim=1) @ functional.normalize(others, dim=1).T
    if itself:
        cosines.fill_diagonal_(-1)
    return others[cosines.argmax(1)]


def sorted_curve(values: Tensor) -> tuple[np.ndarray, np.ndarray]:
    found = values.sort().values.numpy()
    return np.linspace(0, 1, len(found)), found


@picture
def not_finite() -> Picture:
    curves = {}
    for lr in (3.0, 1e-3):
        log = ran(
            "activations",
            architecture={"name": "relu_l1", "l1": 0.1},
            train={"lr": lr, "epochs": 10.0, "log_every": 1, "hold_out": 0.2},
        )
        curves[f"rate of {lr:g}"] = (np.array([e.step for e in log]), np.array([e.loss for e in log]))
    return lines(curves, x="step", y="loss", log_y=True)


@picture
def penalty_too_weak() -> Picture:
    curves = {}
    for weight in (1e-3, 3.0):
        log = ran("digits", architecture={**SIGMOID, "kl": weight}, preprocess=[], train={"epochs": 40.0})
        shares = [e.terms["kl"]["loss"] / e.loss for e in log]
        curves[f"KL of {weight:g}"] = (np.array([e.step for e in log]), np.array(shares))
    return lines(curves, x="step", y="share of the loss")


@picture
def penalty_per_activation() -> Picture:
    x, curves = data("digits").test, {}
    for name, penalty in (("of every activation", "each"), ("of each feature's mean", "mean")):
        h = codes(net("digits", **INK, penalty=penalty), x).sort(0).values[::10]  # [n, F]
        curves[name] = (np.linspace(0, 1, len(h)), h.median(1).values.numpy())
    return lines(curves, x="samples, sorted by the code of a feature", y="code")


@picture
def penalty_out_of_range() -> Picture:
    h = codes(net("digits", act="tanh", **KL), data("digits").test, act="tanh").flatten().numpy()
    counts, edges = np.histogram(h, bins=60)
    return bars(counts, edges, x="codes of tanh units; a divergence knows those from 0 to 1", y="count",
                marks={"0": 0.0, "1": 1.0})  # fmt: skip


@picture
def half_a_divergence() -> Picture:
    q = torch.linspace(0.005, 0.6, 120)
    names = {"both": "both halves", "first": "ρ log(ρ/q) alone", "second": "the other alone"}
    return lines(
        {name: (q.numpy(), kl(0.1, q, halves).numpy()) for halves, name in names.items()},
        x="mean activity q, where ρ = .1 was asked for", y="penalty",
    )  # fmt: skip


@picture
def penalty_dominates() -> Picture:
    x = data("digits").test[:COLUMNS]
    panels = {}
    for beta in (1000.0, 3.0):
        recon = rebuilt(net("digits", **{**KL, "beta": beta}), x)
        panels[f"digits, and rebuilt with a KL of {beta:,.0f}"] = samples("digits", x, recon)
    return side_by_side(panels)


@picture
def filters_collapsed() -> Picture:
    return side_by_side(
        {
            f"decoder, weight decay of {decay:g}": filters("digits", net("digits", **{**INK, "decay": decay})["w2"])
            for decay in (0.3, 3e-3)
        }
    )


@picture
def noise_filters() -> Picture:
    return side_by_side(
        {
            "no weight decay": filters("digits", net("digits", **{**KL, "decay": 0.0})["w1"]),
            "weight decay of .003": filters("digits", net("digits", **INK)["w1"]),
        }
    )


@picture
def no_weight_decay() -> Picture:
    panels = {}
    for decay in (0.0, 3e-3):
        encoder = ran_filters("digits", preprocess=[], architecture={**SIGMOID, "decay": decay}, train={"epochs": 60.0})
        panels[f"encoder, decay of {decay:g}"] = filters("digits", encoder)
    return side_by_side(panels)


@picture
def frozen_inputs() -> Picture:
    how = {**TOPK, "start": "xavier", "k": 20, "bias": 0.1}
    return side_by_side(
        {
            "no decay: the border is as it started": filters("digits", net("digits", **how)["w1"]),
            "decay of .003": filters("digits", net("digits", decay=3e-3, **how)["w1"]),
        }
    )


@picture
def dead() -> Picture:
    panels, x = {}, data("digits").train
    for name, how in (
        ("a high rate", {"act": "relu", "k": 3, "n": 256, "lr": 1e-2}),
        ("started at samples", {**TOPK, "start": "data"}),
    ):
        weights = net("digits", **how)
        n = int((codes(weights, x, **how) > 0).any(0).logical_not().sum())
        panels[f"{name}: {n} of {len(weights['w1'])} never fire"] = filters("digits", weights["w1"])
    return side_by_side(panels)


@picture
def dense() -> Picture:
    x, curves = data("digits").test, {}
    for name, how in (
        ("ReLU without penalty", {"act": "relu", "n": 24, "decay": 3e-3}),
        ("TopK of 6", {**TOPK, "n": 24}),
    ):
        h = codes(net("digits", **how), x, **how).sort(1, descending=True).values
        curves[name] = (np.arange(1, h.shape[1] + 1), (h / h[:, :1].clamp(min=1e-9)).mean(0).numpy())
    return lines(curves, x="features of a sample, the loudest first", y="code, over the largest")


@picture
def target_missed() -> Picture:
    x, curves = data("digits").test, {}
    for beta in (0.15, 3.0):
        curves[f"KL of {beta:g}"] = sorted_curve(codes(net("digits", **{**KL, "beta": beta}), x).mean(0))
    curves["asked for"] = (np.array([0.0, 1.0]), np.array([0.1, 0.1]))
    return lines(curves, x="features, sorted", y="mean activity")


@picture
def small_batch() -> Picture:
    h = codes(net("digits", **INK), data("digits").test)
    typical = h[:, (h.mean(0) - 0.1).abs().argmin()]
    curves = {}
    for size in (20, 200):
        means = typical.split(size)
        curves[f"batches of {size}"] = (np.arange(len(means)) * size, torch.stack([m.mean() for m in means]).numpy())
    return lines(curves, x="sample", y="mean activity of one feature")


@picture
def identity() -> Picture:
    x, panels = data("digits").test, {}
    for name, how in (
        ("ReLU alone", {"act": "relu", "n": 256, "lr": 3e-3, "epochs": 20}),
        ("TopK", {**TOPK, "start": "data"}),
    ):
        weights = net("digits", **how)
        on = float((codes(weights, x, **how) > 0).sum(1).float().mean())
        said = f"{name}: {explained(x, rebuilt(weights, x, **how)):.0%} explained by {on:.0f} codes"
        panels[said] = filters("digits", weights["w1"])
    return side_by_side(panels)


@picture
def not_learning() -> Picture:
    curves = {}
    for lr in (1e-7, 1e-3):
        log = ran("digits", preprocess=[], architecture=SIGMOID, train={"lr": lr})
        curves[f"rate of {lr:g}"] = (np.array([e.step for e in log]), np.array([e.loss for e in log]))
    return lines(curves, x="step", y="loss")


@picture
def output_range() -> Picture:
    x = data("patches").test[:COLUMNS]
    panels = {}
    for out in ("sigmoid", "linear"):
        how = {"out": out, "act": "relu", "k": 20, "n": 128, "lr": 2e-3, "epochs": 25}
        recon = rebuilt(net("patches", **how), x, **how)
        both = torch.stack([x, recon], 1) / (2 * x.abs().amax(1))[:, None, None] + 0.5
        panels[f"patches, rebuilt by a {out} output"] = samples("patches", both[:, 0], both[:, 1])
    return side_by_side(panels)


@picture
def rare_inputs() -> Picture:
    own, usual = (net("digits", change=change, **TOPK) for change in (bench.standardised, _scaled))
    return side_by_side(
        {
            "each pixel over its own deviation": filters("digits", own["w2"]),
            "all pixels over one number": filters("digits", usual["w2"]),
        }
    )


def _scaled(x: Tensor) -> Tensor:
    return (x - x.mean(0)) / x.std()


@picture
def raw_patches() -> Picture:
    how = {**TOPK, "k": 4, "start": "data"}
    return side_by_side(
        {
            "raw patches": filters("raw_patches", net("raw_patches", **how)["w2"]),
            "less their mean, whitened": filters("patches", net("patches", **how)["w2"]),
        }
    )


@picture
def l1_gaming() -> Picture:
    on, how = "patches", {"act": "relu", "l1": 0.5, "lr": 3e-3}
    weights, x = net(on, **how), data(on).test
    scales, curves = np.geomspace(1, 30, 30), {"L1 of the codes": [], "error": [], "features that fire": []}
    for scale in scales:
        slid = {**weights, **{name: weights[name] / scale for name in ("w1", "b1")}, "w2": weights["w2"] * scale}
        h = codes(slid, x, **how)
        curves["L1 of the codes"].append(float(h.sum(1).mean()))
        curves["error"].append(float((rebuilt(slid, x, **how) - x).square().sum(1).mean()))
        curves["features that fire"].append(float((h > 0).sum(1).float().mean()))
    shares = {name: (scales, np.array(values) / values[0]) for name, values in curves.items()}
    return lines(shares, x="filters divided by, decoder rows times", y="of what it was")


@picture
def duplicates() -> Picture:
    weights = net("digits", **KL)
    copied = {name: w.clone() for name, w in weights.items()}
    bench.copies(copied)
    return side_by_side(
        {
            f"{name}: features, and the nearest other": filters("digits", w["w2"], nearest(w["w2"], w["w2"]))
            for name, w in (("copies", copied), ("none", weights))
        }
    )


@picture
def noise_in_use() -> Picture:
    weights, x = net("digits", noise=0.3, **KL), data("digits").test[:3]
    dice = torch.Generator().manual_seed(0)
    points = []
    for noise in (0.3, 0.0):
        calls = [codes(weights, x + noise * torch.randn(x.shape, generator=dice)).flatten() for _ in range(2)]
        points.append(torch.stack(calls, 1).numpy())
    groups = np.repeat([0, 1], [len(part) for part in points])
    return scatter(np.concatenate(points), groups, ["noise left on", "off"], x="code, first call", y="second call")


@picture
def noise_strength() -> Picture:
    x = data("digits").test
    variance = float(x.var(0).sum())
    dice = torch.Generator().manual_seed(0)
    panels = {}
    for std in (0.01, 0.3, 2.0):
        noisy = x[:5] + std * torch.randn(x[:5].shape, generator=dice)
        panels[f"std {std:g}: {std**2 * x.shape[1] / variance:.2g} of the energy"] = samples("digits", noisy, columns=5)
    return side_by_side(panels)


@picture
def order() -> Picture:
    given = data("digits")
    assert given.labels is not None
    x = given.train[given.labels.argsort(stable=True)]
    centred = x - x.mean(0)
    vectors = torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -32:]
    usual = (centred - centred @ vectors @ vectors.T).square().sum(1)
    curves = {}
    for name, shuffle in (("class by class", False), ("shuffled", True)):
        how = {**BLOCKS, "shuffle": shuffle}
        relative = (rebuilt(fit(x, **how), x, **how) - x).square().sum(1) / usual
        blocks = torch.stack([block.median() for block in relative.tensor_split(20)])
        curves[name] = ((np.arange(20) + 0.5) / 20, (blocks / blocks.median()).numpy())
    return lines(curves, x="place in the data, which are sorted by class", y="error over PCA's, over its median")


@picture
def overfit() -> Picture:
    given, panels = data("digits"), {}
    how = {**TOPK, "k": 16, "n": 128}
    for name, few, more in (("150 samples", 150, {"epochs": 200, "batch": 30}), ("3,000 samples", None, {})):
        weights = net("digits", few=few, **{**how, **more})
        parts = (given.train[:few], given.test)
        left = [1 - explained(x, rebuilt(weights, x, **how)) for x in parts]
        rows = [row for x in parts for row in (x[:COLUMNS], rebuilt(weights, x[:COLUMNS], **how))]
        panels[f"{name}: {left[0]:.1%} is left, held out {left[1]:.1%}"] = samples("digits", *rows)
    return side_by_side(panels)


@picture
def display() -> Picture:
    weights = {name: w.clone() for name, w in net("digits", **INK).items()}
    bench.one_giant(weights)
    return side_by_side(
        {
            "all on one scale": filters("digits", weights["w1"], scale="shared"),
            "each on its own": filters("digits", weights["w1"]),
        }
    )


@picture
def templates() -> Picture:
    how = {"n": 100, "act": "relu", "k": 1, "start": "data", "lr": 1e-3, "epochs": 100, "batch": 20}
    x, panels = data("digits").train, {}
    for name, few, each in (("100 features, 100 samples", 100, how), ("64 features, 3,000", None, TOPK)):
        rows = net("digits", few=few, **each)["w2"]
        panels[f"{name}; the nearest sample"] = filters("digits", rows, nearest(rows, x[:few], itself=False))
    return side_by_side(panels)


@picture
def unstable() -> Picture:
    curves = {}
    for name, change, k in (("vectors made of 96 directions", torch.clone, 4), ("noise", bench.noise_like, 8)):
        how = {**TOPK, "k": k, "n": 96}
        one, other = (net("vectors", change=change, **{**how, "seed": seed})["w2"] for seed in (0, 1))
        match = nearest(one, other, itself=False)
        curves[name] = sorted_curve(functional.cosine_similarity(one, match))
    return lines(curves, x="features, sorted", y="cosine to the best match of another seed")


@picture
def linear_output() -> Picture:
    x, curves = data("digits").test, {}
    for out in ("linear", "sigmoid"):
        how = {**INK, "out": out}
        counts, edges = np.histogram(rebuilt(net("digits", **how), x, **how).numpy(), bins=120, range=(-1.0, 2.0))
        curves[f"{out} output"] = (edges[:-1], counts.astype(float))
    return lines(curves, x="what is rebuilt; the data are from 0 to 1", y="count", log_y=True)


@picture
def penalty_wrong_axis() -> Picture:
    always, chosen = torch.zeros(40, 40), torch.zeros(40, 40)
    always[:, [5, 12, 26, 33]] = 1
    dice = torch.Generator().manual_seed(0)
    chosen.scatter_(1, torch.rand(40, 40, generator=dice).argsort(1)[:, :4], 1)
    return side_by_side({
        "the same units for all samples": _matrix(always), "each sample its own": _matrix(chosen),
    })  # fmt: skip


def _matrix(h: Tensor) -> np.ndarray:
    """Codes, dark where they are 1: a row for each sample."""
    return np.where(h.numpy() > 0, 30, 225).astype(np.uint8).repeat(6, 0).repeat(6, 1)[..., None].repeat(3, 2)


@picture
def noise_shared() -> Picture:
    x = data("digits").test[:128]
    dice = torch.Generator().manual_seed(0)
    panels = {}
    for name, size in (("one vector of noise: 3 of 128, mean", x.shape[1:]), ("one each: 3 of 128, mean", x.shape)):
        noisy = 0.3 + 0.7 * (x + 0.3 * torch.randn(size, generator=dice))
        panels[name] = samples("digits", torch.cat([noisy[:3], noisy.mean(0, keepdim=True)]), columns=4)
    return side_by_side(panels)


@picture
def penalty_spreads() -> Picture:
    a = np.linspace(0, 1, 101)
    powers = partial(np.power, a)
    return lines({"h²": (a, powers(2)), "|h|": (a, powers(1)), "log(1 + 9 h)": (a, np.log1p(9 * a) / np.log(10))},
                 x="code", y="penalty")  # fmt: skip


@picture
def batch_size_in_the_weights() -> Picture:
    sizes = np.array([32, 64, 128, 256, 512, 1024])
    return lines(
        {"error summed, penalty averaged": (sizes, 128 / sizes), "both per sample": (sizes, np.ones(len(sizes)))},
        x="batch size", y="weight of the penalty, 1 at 128",
    )  # fmt: skip
