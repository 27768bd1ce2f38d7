"""The data that models of the bench are trained on: five kinds, small, always the same."""

import warnings
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from sparsight.spec import build


class Data(NamedTuple):
    train: Tensor  # [N, D]
    test: Tensor  # [n, D]
    shape: tuple[int, ...] | None = None
    labels: Tensor | None = None  # [N]


def digits() -> Data:
    """3,000 and 2,000 digits, 28 × 28."""
    source, test = build("source", "digits"), build("source", {"name": "digits", "part": "test"})
    labels = source.labels()
    return Data(source.gather(torch.arange(3000)), test.gather(torch.arange(2000)), (28, 28), labels[:3000])


def clothes(n: int = 4000, side: int = 20) -> Data:
    """Shirts, trousers, bags and shoes with folds and shading, [0, 1], on black; labels are their kinds."""
    dice = torch.Generator().manual_seed(3)
    y, x = torch.meshgrid(torch.linspace(-1, 1, side), torch.linspace(-1, 1, side), indexing="ij")
    u = torch.rand(n, 8, generator=dice)[:, :, None, None]
    kinds = torch.randint(4, (n,), generator=dice)
    x = x + 0.1 * (u[:, 0] - 0.5)
    width, length = 0.3 + 0.2 * u[:, 1], 0.55 + 0.25 * u[:, 2]
    body = (x.abs() < width) & (y.abs() < length)
    arms = (x.abs() < width + 0.35) & (y > -length) & (y < -length + 0.3 + 0.6 * u[:, 3])
    legs = body & ((x.abs() > 0.08) | (y < -0.3))
    bag = (x.abs() < width + 0.2) & (y > -0.1) & (y < 0.55) | (((x**2 + (y + 0.1) ** 2).sqrt() - 0.35).abs() < 0.06)
    shoe = (y > 0.1) & (y < 0.5) & (x.abs() < 0.75) | (x < -0.2) & (x > -0.75) & (y > -0.6 * u[:, 3]) & (y < 0.5)
    form = torch.stack([body | arms, legs, bag, shoe])[kinds, torch.arange(n)].float()
    folds = 0.15 * torch.sin(6 * (u[:, 4] * x + u[:, 5] * y) + 6 * u[:, 6])
    pictures = (form * (0.4 + 0.5 * u[:, 7] + folds)).clamp(0, 1).flatten(1)
    return Data(pictures[: n // 2 + 1000], pictures[n // 2 + 1000 :], (side, side), kinds[: n // 2 + 1000])


def raw_patches(n: int = 12_000, side: int = 10) -> Data:
    """Grey patches of scikit-learn's two photographs as they are, in [0, 1]."""
    from sklearn.datasets import load_sample_images

    images = [torch.tensor(image).float().mean(2) / 255 for image in load_sample_images().images]
    dice = torch.Generator().manual_seed(0)
    cut = torch.stack([image.unfold(0, side, 1).unfold(1, side, 1) for image in images])
    which = [torch.randint(size, (n,), generator=dice) for size in cut.shape[:3]]
    x = cut[which[0], which[1], which[2]].flatten(1)
    return Data(x[: n - 2000], x[n - 2000 :], (side, side))


def patches() -> Data:
    """The same without the mean of each, and whitened (ZCA)."""
    train, test, shape, _ = raw_patches()
    train, test = (x - x.mean(1, keepdim=True) for x in (train, test))
    values, vectors = torch.linalg.eigh(torch.cov(train.T))
    whiten = vectors / (values + 0.02 * values.mean()).sqrt() @ vectors.T
    return Data((train - train.mean(0)) @ whiten, (test - train.mean(0)) @ whiten, shape)


def vectors(n: int = 14_000, width: int = 48, atoms: int = 96) -> Data:
    """Sums of about four of 96 directions with exponential strengths, and a little noise."""
    dice = torch.Generator().manual_seed(1)
    directions = torch.nn.functional.normalize(torch.randn(atoms, width, generator=dice), dim=1)
    codes = -torch.rand(n, atoms, generator=dice).log() * (torch.rand(n, atoms, generator=dice) < 4 / atoms)
    x = codes @ directions + 0.02 * torch.randn(n, width, generator=dice)
    return Data(x[: n - 2000], x[n - 2000 :])


def activations() -> Data:
    """What 64 rectified units of a classifier of digits make of them."""
    from sklearn.neural_network import MLPClassifier

    train, test, _, labels = digits()
    assert labels is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged
        net = MLPClassifier(64, max_iter=6, random_state=0).fit(train.numpy(), labels.numpy())
    weights, biases = (torch.from_numpy(array[0]).float() for array in (net.coefs_, net.intercepts_))
    hidden, held = ((part @ weights + biases).relu() for part in (train, test))
    return Data(hidden, held, labels=labels)


@cache
def data(name: str) -> Data:
    """By name; made once."""
    makers: dict[str, Callable[[], Data]] = {
        each.__name__: each for each in (digits, clothes, raw_patches, patches, vectors, activations)
    }
    return makers[name]()
