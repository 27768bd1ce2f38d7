"""Features in two dimensions by their decoder rows."""

import numpy as np
import torch
from sklearn.manifold import TSNE
from torch.nn import functional

from sparsight.core import SAE

NEAR = 2_048
"""Features up to which t-SNE is affordable: some seconds."""
BLOCK = 8_192


def laid_out(sae: SAE, seed: int = 0) -> tuple[str, np.ndarray]:
    """Where features lie so that those with alike decoder rows are near each other.

    By t-SNE of cosine distances (van der Maaten & Hinton 2008) up to 2,048 features, by the first two principal
    components of rows of length one beyond.

    Returns:
        The method; places [F, 2], float32, 0 to 1 in both directions.
    """
    n = sae.n_latents
    if 3 < n <= NEAR:
        rows = _unit(sae, torch.arange(n)).double().numpy()
        perplexity = min(15.0, (n - 1) / 3)
        flat = TSNE(metric="cosine", init="pca", perplexity=perplexity, random_state=seed).fit_transform(rows)
        return "t-SNE", _scaled(flat)
    parts = torch.arange(n).split(BLOCK)
    width = sae.sizes.n_targets
    total, products = torch.zeros(width, dtype=torch.float64), torch.zeros(width, width, dtype=torch.float64)
    for part in parts:
        rows = _unit(sae, part).double()
        total += rows.sum(0)
        products += rows.T @ rows
    mean = total / n
    axes = torch.linalg.eigh(products / n - mean[:, None] * mean)[1][:, -2:]  # [D, 2], or [D, 1] where D is 1
    places = torch.cat([(_unit(sae, part).double() - mean) @ axes for part in parts])
    return "PCA", _scaled(functional.pad(places, (0, 2 - places.shape[1])).numpy())


def _unit(sae: SAE, features: torch.Tensor) -> torch.Tensor:
    return functional.normalize(sae.filters(features)["decoder"].nan_to_num(0.0), dim=1)


def _scaled(places: np.ndarray) -> np.ndarray:
    low, high = places.min(0), places.max(0)
    return ((places - low) / np.maximum(high - low, 1e-12)).astype("<f4")
