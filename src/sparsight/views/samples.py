"""What a model makes of single samples."""

import warnings
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparsight.core import SAE, Source
from sparsight.core.sampling import spread
from sparsight.views.building import built
from sparsight.views.features import data_uri
from sparsight.views.pictures import coloured, tiled

SAMPLES, BUILT, PARTS = 12, 3, 14
"""Samples that pages show, how many of them are built up, and of how many features each."""
NEIGHBOURS = 15
"""Of a sample, from which UMAP makes its map; its own default."""


def chosen(source: Source, n: int) -> Tensor:
    """Samples that show what there is: the first of each class in turn, or evenly spread, [m]."""
    labels = source.labels()
    if labels is None or (labels < 0).all():
        return spread(len(source), n)
    found: list[int] = []
    groups = [(labels == label).nonzero().squeeze(1).tolist() for label in labels.unique().tolist() if label >= 0]
    for turn in range(n):
        found += [group[turn] for group in groups if turn < len(group)]
        if len(found) >= n:
            break
    return torch.tensor(found[:n])


@torch.no_grad()
def reconstructions(sae: SAE, source: Source, ids: Tensor) -> np.ndarray | None:
    """What must be rebuilt of samples, what is made of them, and the difference, one below the other.

    Returns:
        uint8 [height, width, 3], or None where samples have no geometry, or targets another.
    """
    shape = source.schema.shape
    if shape is None or not source.schema.alike:
        return None
    raw = _targets(source, ids)
    recon = sae.reconstruct(source.gather(ids).to(sae.b_dec)).cpu()
    low, high = raw.min(), raw.max()
    span = (high - low).clamp_min(1e-12)
    rows = [(raw - low) / span, (recon - low) / span, 0.5 + 0.5 * (recon - raw) / span]
    tiles = coloured(torch.cat(rows).unflatten(1, (*shape[:2], -1)))
    return tiled(tiles, len(ids))


@torch.no_grad()
def build_up(sae: SAE, source: Source, id: int, steps: int) -> dict[str, Any]:
    """One sample, built feature by feature as `building.built` does.

    Returns:
        `picture`, uint8: above the sum so far, ending with the whole reconstruction and the sample; below the row that
        was added. None where samples have no geometry or targets another. `features`, `codes`: of the rows that were
        added.
    """
    made = built(sae, source.gather(torch.tensor([id]))[0], steps)
    found: dict[str, Any] = {"features": made.features.tolist(), "codes": made.codes.tolist(), "picture": None}
    shape = source.schema.shape
    if shape is not None and source.schema.alike:
        goal = _targets(source, torch.tensor([id])).to(made.sums)
        low, span = goal.min(), (goal.max() - goal.min()).clamp_min(1e-12)
        above = (torch.cat([made.sums, made.recon[None], goal]) - low) / span
        blank = goal.new_zeros(1, goal.shape[1])
        below = 0.5 + 0.5 * torch.cat([blank, made.added, blank, blank]) / span
        tiles = coloured(torch.cat([above, below]).unflatten(1, (*shape[:2], -1)))
        found["picture"] = tiled(tiles, len(above))
    return found


def made(sae: SAE, source: Source) -> dict[str, Any]:
    """Samples with their reconstructions, and some of them built feature by feature, with pictures as addresses.

    Returns:
        `reconstructions`: see there; None where samples are no pictures. `built`: see `build_up`.
    """
    ids = chosen(source, SAMPLES)
    pictured = reconstructions(sae, source, ids)
    if pictured is None:
        return {"reconstructions": None, "built": []}
    each = [build_up(sae, source, at, PARTS) for at in ids[:BUILT].tolist()]
    return {
        "reconstructions": data_uri(pictured),
        "built": [{**one, "picture": data_uri(one["picture"])} for one in each],
    }


def _targets(source: Source, ids: Tensor) -> Tensor:
    """What must be rebuilt, in raw units."""
    targets = source.targets(ids)
    return source.gather(ids) if targets is None else targets


@torch.no_grad()
def plane(sae: SAE, source: Source, n: int = 1500, seed: int = 0) -> dict[str, Any]:
    """Up to `n` samples by their codes in two dimensions.

    By UMAP (McInnes, Healy & Melville 2018) where it is installed and there are more samples than the 15 neighbours
    that it looks at, else by the first two principal components.

    Returns:
        `method`; `points` [m, 2]; `groups` [m], classes, −1 where there is none, or None.
    """
    ids = spread(len(source), n)
    codes = sae.transform(source.gather(ids).to(sae.b_dec)).dense().cpu().double().numpy()
    labels = source.labels()
    groups = None if labels is None else labels[ids].numpy()
    method, points = _flattened(codes, seed)
    return {"method": method, "points": points, "groups": groups}


def _flattened(codes: np.ndarray, seed: int) -> tuple[str, np.ndarray]:
    package = umap()
    if package is not None and len(codes) > NEIGHBOURS:
        flat = package.UMAP(n_neighbors=NEIGHBOURS, random_state=seed, n_jobs=1).fit_transform(codes)
        return "UMAP", np.asarray(flat)
    centred = codes - codes.mean(0)
    left, size, _ = np.linalg.svd(centred, full_matrices=False)
    points = np.zeros((len(codes), 2))
    points[:, : min(2, left.shape[1])] = (left * size)[:, :2]
    return "PCA", points


def umap() -> Any:
    """The package umap-learn, an extra; None: it is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ImportWarning)  # it misses TensorFlow, for what nobody asks of it here
            return import_module("umap")
    except ImportError:
        return None
