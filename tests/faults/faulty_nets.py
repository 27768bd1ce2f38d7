"""Autoencoders as people write them in plain PyTorch, with every mistake that can be asked for."""

from typing import Any

import torch
from torch import Tensor

from sparsight.core import Codes, Model

ACTIVATIONS = {"sigmoid": torch.sigmoid, "relu": torch.relu, "tanh": torch.tanh, "linear": lambda z: z}


def kl(rho: float, q: Tensor, halves: str = "both") -> Tensor:
    first, second = rho * (rho / q).log(), (1 - rho) * ((1 - rho) / (1 - q)).log()
    return {"both": first + second, "first": first, "second": second}[halves]


def keep(z: Tensor, k: int) -> Tensor:
    values, index = z.relu().topk(k, dim=1)
    return torch.zeros_like(z).scatter(1, index, values)


def fit(
    x: Tensor,
    *,
    n: int = 64,
    act: str = "sigmoid",
    out: str = "linear",
    k: int = 0,
    target: float = 0.1,
    beta: float = 0.0,
    penalty: str = "mean",
    halves: str = "both",
    l1: float = 0.0,
    decay: float = 0.0,
    lr: float = 1e-3,
    optimizer: str = "adam",
    epochs: int = 15,
    batch: int = 100,
    shuffle: bool = True,
    noise: float = 0.0,
    start: str = "xavier",
    bias: float = 0.0,
    tied: bool = False,
    seed: int = 0,
    steps: int | None = None,
) -> dict[str, Tensor]:
    """½‖error‖² + beta Σ KL + l1 Σ|h| + decay ½ Σ w², mean over samples; `penalty` is mean, each or axis."""
    dice = torch.Generator().manual_seed(seed)
    width = x.shape[1]
    high = (6 / (width + n)) ** 0.5

    def weights() -> Tensor:
        return (2 * torch.rand(n, width, generator=dice) - 1) * high

    w1 = weights()
    if start == "data":
        w1 = torch.nn.functional.normalize(x[torch.randperm(len(x), generator=dice)[:n]], dim=1)
    w2 = w1.clone() if start in ("tied", "data") else torch.zeros(n, width) if start == "zero" else weights()
    net = {"w1": w1, "b1": torch.full((n,), bias), "w2": w2, "b2": torch.zeros(width)}
    if start == "zero":
        net["w1"] *= 0
    for each in net.values():
        each.requires_grad_()
    kind = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[optimizer]
    mover = kind(list(net.values()), lr=lr)
    done = 0
    for _ in range(epochs):
        order = torch.randperm(len(x), generator=dice) if shuffle else torch.arange(len(x))
        for rows in order.split(batch):
            if steps is not None and done >= steps:
                return {name: w.detach() for name, w in net.items()}
            done += 1
            seen = x[rows]
            noisy = seen + noise * torch.randn(seen.shape, generator=dice) if noise else seen
            h = encode(net, noisy, act, k)
            recon = decode(net, h, out)
            loss = 0.5 * (recon - seen).square().sum(1).mean() + l1 * h.abs().sum(1).mean()
            if beta:
                if penalty == "each":
                    q = h.clamp(1e-6, 1 - 1e-6)
                    loss = loss + beta * kl(target, q, halves).sum(1).mean()
                else:
                    q = h.mean(0 if penalty == "mean" else 1).clamp(1e-6, 1 - 1e-6)
                    loss = loss + beta * kl(target, q, halves).sum() * (1 if penalty == "mean" else n / len(seen))
            if decay:
                loss = loss + decay / 2 * (net["w1"].square().sum() + net["w2"].square().sum())
            mover.zero_grad()
            loss.backward()
            mover.step()
            if tied:
                with torch.no_grad():
                    net["w2"] /= net["w2"].norm(dim=1, keepdim=True).clamp(min=1e-6)
    return {name: w.detach() for name, w in net.items()}


def encode(net: dict[str, Tensor], x: Tensor, act: str, k: int) -> Tensor:
    z = x @ net["w1"].T + net["b1"]
    return keep(z, k) if k else ACTIVATIONS[act](z)


def decode(net: dict[str, Tensor], h: Tensor, out: str) -> Tensor:
    z = h @ net["w2"] + net["b2"]
    return {"linear": z, "sigmoid": z.sigmoid(), "relu": z.relu()}[out]


def model(
    net: dict[str, Tensor], *, act: str = "sigmoid", out: str = "linear", k: int = 0, wobble: float = 0.0
) -> Model:
    """The trained net as two functions and its weights; `wobble` leaves noise on in use."""
    dice = torch.Generator().manual_seed(9)

    def codes(raw: Tensor) -> Codes:
        h = encode(net, raw + wobble * torch.randn(raw.shape, generator=dice) if wobble else raw, act, k)
        return Codes(h, h.shape[1])

    known: dict[str, Any] = {"W_enc": net["w1"], "b_enc": net["b1"], "W_dec": net["w2"], "b_dec": net["b2"]}
    return Model(encode=codes, decode=lambda each, _: decode(net, each.dense(), out), **known)
