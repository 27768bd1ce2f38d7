"""Charts of faults that filters do not show: each a fault beside a model without it."""

import numpy as np
import torch
from faults import bench
from faults.bench import BLOCKS, INK, KL, SIGMOID, TOPK
from faults.faulty_data import data
from faults.faulty_nets import fit, kl
from torch.nn import functional

from sparsight.views.charts import bars, lines, scatter
from tools.faulty import Picture, codes, nearest, net, picture, ran, rebuilt, sorted_curve


@picture
def _not_finite() -> Picture:
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
def _penalty_too_weak() -> Picture:
    curves = {}
    for weight in (1e-3, 3.0):
        log = ran("digits", architecture={**SIGMOID, "kl": weight}, preprocess=[], train={"epochs": 40.0})
        shares = [e.terms["kl"]["loss"] / e.loss for e in log]
        curves[f"KL of {weight:g}"] = (np.array([e.step for e in log]), np.array(shares))
    return lines(curves, x="step", y="share of the loss")


@picture
def _penalty_per_activation() -> Picture:
    x, curves = data("digits").test, {}
    for name, penalty in (("of every activation", "each"), ("of each feature's mean", "mean")):
        h = codes(net("digits", **INK, penalty=penalty), x).sort(0).values[::10]  # [n, F]
        curves[name] = (np.linspace(0, 1, len(h)), h.median(1).values.numpy())
    return lines(curves, x="samples, sorted by the code of a feature", y="code")


@picture
def _penalty_out_of_range() -> Picture:
    h = codes(net("digits", act="tanh", **KL), data("digits").test, act="tanh").flatten().numpy()
    counts, edges = np.histogram(h, bins=60)
    return bars(counts, edges, x="codes of tanh units; a divergence knows those from 0 to 1", y="count",
                marks={"0": 0.0, "1": 1.0})  # fmt: skip


@picture
def _half_a_divergence() -> Picture:
    q = torch.linspace(0.005, 0.6, 120)
    names = {"both": "both halves", "first": "ρ log(ρ/q) alone", "second": "the other alone"}
    return lines(
        {name: (q.numpy(), kl(0.1, q, halves).numpy()) for halves, name in names.items()},
        x="mean activity q, where ρ = .1 was asked for", y="penalty",
    )  # fmt: skip


@picture
def _dense() -> Picture:
    x, curves = data("digits").test, {}
    for name, how in (
        ("ReLU without penalty", {"act": "relu", "n": 24, "decay": 3e-3}),
        ("TopK of 6", {**TOPK, "n": 24}),
    ):
        h = codes(net("digits", **how), x, **how).sort(1, descending=True).values
        curves[name] = (np.arange(1, h.shape[1] + 1), (h / h[:, :1].clamp(min=1e-9)).mean(0).numpy())
    return lines(curves, x="features of a sample, the loudest first", y="code, over the largest")


@picture
def _target_missed() -> Picture:
    x, curves = data("digits").test, {}
    for beta in (0.15, 3.0):
        curves[f"KL of {beta:g}"] = sorted_curve(codes(net("digits", **{**KL, "beta": beta}), x).mean(0))
    curves["asked for"] = (np.array([0.0, 1.0]), np.array([0.1, 0.1]))
    return lines(curves, x="features, sorted", y="mean activity")


@picture
def _small_batch() -> Picture:
    h = codes(net("digits", **INK), data("digits").test)
    typical = h[:, (h.mean(0) - 0.1).abs().argmin()]
    curves = {}
    for size in (20, 200):
        means = typical.split(size)
        curves[f"batches of {size}"] = (np.arange(len(means)) * size, torch.stack([m.mean() for m in means]).numpy())
    return lines(curves, x="sample", y="mean activity of one feature")


@picture
def _not_learning() -> Picture:
    curves = {}
    for lr in (1e-7, 1e-3):
        log = ran("digits", preprocess=[], architecture=SIGMOID, train={"lr": lr})
        curves[f"rate of {lr:g}"] = (np.array([e.step for e in log]), np.array([e.loss for e in log]))
    return lines(curves, x="step", y="loss")


@picture
def _l1_gaming() -> Picture:
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
def _noise_in_use() -> Picture:
    weights, x = net("digits", noise=0.3, **KL), data("digits").test[:3]
    dice = torch.Generator().manual_seed(0)
    points = []
    for noise in (0.3, 0.0):
        calls = [codes(weights, x + noise * torch.randn(x.shape, generator=dice)).flatten() for _ in range(2)]
        points.append(torch.stack(calls, 1).numpy())
    groups = np.repeat([0, 1], [len(part) for part in points])
    return scatter(np.concatenate(points), groups, ["noise left on", "off"], x="code, first call", y="second call")


@picture
def _order() -> Picture:
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
def _unstable() -> Picture:
    curves = {}
    for name, change, k in (("vectors made of 96 directions", torch.clone, 4), ("noise", bench.noise_like, 8)):
        how = {**TOPK, "k": k, "n": 96}
        one, other = (net("vectors", change=change, **{**how, "seed": seed})["w2"] for seed in (0, 1))
        match = nearest(one, other, itself=False)
        curves[name] = sorted_curve(functional.cosine_similarity(one, match))
    return lines(curves, x="features, sorted", y="cosine to the best match of another seed")


@picture
def _linear_output() -> Picture:
    x, curves = data("digits").test, {}
    for out in ("linear", "sigmoid"):
        how = {**INK, "out": out}
        counts, edges = np.histogram(rebuilt(net("digits", **how), x, **how).numpy(), bins=120, range=(-1.0, 2.0))
        curves[f"{out} output"] = (edges[:-1], counts.astype(float))
    return lines(curves, x="what is rebuilt; the data are from 0 to 1", y="count", log_y=True)


@picture
def _penalty_spreads() -> Picture:
    a = np.linspace(0, 1, 101)
    return lines({"h²": (a, a**2), "|h|": (a, a), "log(1 + 9 h)": (a, np.log1p(9 * a) / np.log(10))},
                 x="code", y="penalty")  # fmt: skip


@picture
def _batch_size_in_the_weights() -> Picture:
    sizes = np.array([32, 64, 128, 256, 512, 1024])
    return lines(
        {"error summed, penalty averaged": (sizes, 128 / sizes), "both per sample": (sizes, np.ones(len(sizes)))},
        x="batch size", y="weight of the penalty, 1 at 128",
    )  # fmt: skip
