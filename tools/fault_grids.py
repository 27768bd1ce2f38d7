"""Grids of filters and samples: each a fault beside a model without it."""

import numpy as np
import torch
from faults import bench
from faults.bench import INK, KL, SIGMOID, TOPK
from faults.faulty_data import data
from torch import Tensor

from sparsight.views.pictures import side_by_side
from tools.faulty import (
    COLUMNS,
    Picture,
    codes,
    explained,
    filters,
    nearest,
    net,
    picture,
    ran_filters,
    rebuilt,
    samples,
)


@picture
def _penalty_dominates() -> Picture:
    x = data("digits").test[:COLUMNS]
    panels = {}
    for beta in (1000.0, 3.0):
        recon = rebuilt(net("digits", **{**KL, "beta": beta}), x)
        panels[f"digits, and rebuilt with a KL of {beta:,.0f}"] = samples("digits", x, recon)
    return side_by_side(panels)


@picture
def _filters_collapsed() -> Picture:
    return side_by_side(
        {
            f"decoder, weight decay of {decay:g}": filters("digits", net("digits", **{**INK, "decay": decay})["w2"])
            for decay in (0.3, 3e-3)
        }
    )


@picture
def _noise_filters() -> Picture:
    return side_by_side(
        {
            f"encoder, decay of {decay:g}": filters(
                "digits", net("digits", **{**KL, "decay": decay, "epochs": 60})["w1"]
            )
            for decay in (0.0, 3e-3)
        }
    )


@picture
def _no_weight_decay() -> Picture:
    panels = {}
    for decay in (0.0, 3e-3):
        encoder = ran_filters("digits", preprocess=[], architecture={**SIGMOID, "decay": decay}, train={"epochs": 60.0})
        panels[f"encoder, decay of {decay:g}"] = filters("digits", encoder)
    return side_by_side(panels)


@picture
def _frozen_inputs() -> Picture:
    how = {**TOPK, "start": "xavier", "k": 20, "bias": 0.1}
    return side_by_side(
        {
            "no decay: the border is as it started": filters("digits", net("digits", **how)["w1"]),
            "decay of .003": filters("digits", net("digits", decay=3e-3, **how)["w1"]),
        }
    )


@picture
def _dead() -> Picture:
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
def _identity() -> Picture:
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
def _output_range() -> Picture:
    x = data("patches").test[:COLUMNS]
    panels = {}
    for out in ("sigmoid", "linear"):
        how = {"out": out, "act": "relu", "k": 20, "n": 128, "lr": 2e-3, "epochs": 25}
        recon = rebuilt(net("patches", **how), x, **how)
        both = torch.stack([x, recon], 1) / (2 * x.abs().amax(1))[:, None, None] + 0.5
        panels[f"patches, rebuilt by a {out} output"] = samples("patches", both[:, 0], both[:, 1])
    return side_by_side(panels)


@picture
def _rare_inputs() -> Picture:
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
def _raw_patches() -> Picture:
    how = {**TOPK, "k": 4, "start": "data"}
    return side_by_side(
        {
            "raw patches": filters("raw_patches", net("raw_patches", **how)["w2"]),
            "less their mean, whitened": filters("patches", net("patches", **how)["w2"]),
        }
    )


@picture
def _duplicates() -> Picture:
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
def _noise_strength() -> Picture:
    x = data("digits").test
    variance = float(x.var(0).sum())
    dice = torch.Generator().manual_seed(0)
    panels = {}
    for std in (0.01, 0.3, 2.0):
        noisy = x[:5] + std * torch.randn(x[:5].shape, generator=dice)
        panels[f"std {std:g}: {std**2 * x.shape[1] / variance:.2g} of the energy"] = samples("digits", noisy, columns=5)
    return side_by_side(panels)


@picture
def _overfit() -> Picture:
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
def _display() -> Picture:
    weights = {name: w.clone() for name, w in net("digits", **INK).items()}
    bench.one_giant(weights)
    longest = weights["w1"][weights["w1"].norm(dim=1).argsort(descending=True)]
    return side_by_side(
        {
            "all on one scale": filters("digits", longest, scale="shared"),
            "each on its own": filters("digits", longest),
        }
    )


@picture
def _templates() -> Picture:
    how = {"n": 100, "act": "relu", "k": 1, "start": "data", "lr": 1e-3, "epochs": 100, "batch": 20}
    x, panels = data("digits").train, {}
    for name, few, each in (("100 features, 100 samples", 100, how), ("64 features, 3,000", None, TOPK)):
        rows = net("digits", few=few, **each)["w2"]
        panels[f"{name}; the nearest sample"] = filters("digits", rows, nearest(rows, x[:few], itself=False))
    return side_by_side(panels)


@picture
def _penalty_wrong_axis() -> Picture:
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
def _noise_shared() -> Picture:
    x = data("digits").test[:128]
    dice = torch.Generator().manual_seed(0)
    panels = {}
    for name, size in (("one vector of noise: 3 of 128, mean", x.shape[1:]), ("one each: 3 of 128, mean", x.shape)):
        noisy = 0.3 + 0.7 * (x + 0.3 * torch.randn(size, generator=dice))
        panels[name] = samples("digits", torch.cat([noisy[:3], noisy.mean(0, keepdim=True)]), columns=4)
    return side_by_side(panels)
