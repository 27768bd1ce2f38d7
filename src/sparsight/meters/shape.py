"""What filters look like: measures of pictures, one number per filter, in float64.

A measure that is not defined, such as Moran's I of a constant filter, is NaN.
"""

import torch
from torch import Tensor

from sparsight.errors import SparsightError


def _pictures(filters: Tensor, shape: tuple[int, ...]) -> Tensor:
    """[F, D] to [F, H, W, C], float64."""
    height, width, *_ = shape
    if filters.ndim != 2 or filters.shape[1] % (height * width):
        raise SparsightError(f"filters of shape {tuple(filters.shape)} are no pictures of {height} × {width} pixels")
    return filters.detach().double().unflatten(1, (height, width, -1))


def moran(filters: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Moran's I over 4-neighbours: (Σ_adj c_p c_q / n_adj) / (Σ c² / d) with c = w − mean(w), [F].

    White noise has 0, a smooth filter nearly 1, a checkerboard −1 (Moran 1950). Channels are averaged, each weighted by
    its variance.
    """
    pictures = _pictures(filters, shape)
    c = pictures - pictures.mean(dim=(1, 2), keepdim=True)
    pairs = c.shape[1] * (c.shape[2] - 1) + (c.shape[1] - 1) * c.shape[2]
    across = (c[:, :, 1:] * c[:, :, :-1]).sum(dim=(1, 2, 3))
    down = (c[:, 1:] * c[:, :-1]).sum(dim=(1, 2, 3))
    power = c.square().sum(dim=(1, 2, 3)) / (c.shape[1] * c.shape[2])
    flat = power <= 1e-24 * pictures.square().amax(dim=(1, 2, 3))
    return torch.where(flat, torch.nan, (across + down) / pairs / power)


def _energy(filters: Tensor, shape: tuple[int, ...]) -> Tensor:
    """e = w² / Σ w², summed over channels, [F, H, W]; NaN where the filter is zero."""
    energy = _pictures(filters, shape).square().sum(3)
    return energy / energy.sum(dim=(1, 2), keepdim=True)


def participation_ratio(filters: Tensor) -> Tensor:
    """1 / (D Σ e²) with e = w² / Σ w², [F]: the share of the inputs that a filter is spread over, 1/D to 1.

    White noise has 1/3; a pen stroke on digits .03, a whole digit .12 (Bell & Dean 1970).
    """
    energy = filters.detach().double().square()
    energy = energy / energy.sum(1, keepdim=True)
    return 1 / (filters.shape[1] * energy.square().sum(1))


def _spread(filters: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """The second moments of the energy about its centroid, in pixels²: down, across, mixed, each [F]."""
    energy = _energy(filters, shape)
    y = torch.arange(energy.shape[1], dtype=torch.float64, device=energy.device)[None, :, None]
    x = torch.arange(energy.shape[2], dtype=torch.float64, device=energy.device)[None, None, :]
    y = y - (energy * y).sum(dim=(1, 2), keepdim=True)
    x = x - (energy * x).sum(dim=(1, 2), keepdim=True)
    return tuple((energy * m).sum(dim=(1, 2)) for m in (y * y, x * x, x * y))  # type: ignore[return-value]


def rms_radius(filters: Tensor, shape: tuple[int, ...]) -> Tensor:
    """√(Σ e ‖p − centroid‖²) in pixels, [F]."""
    down, across, _ = _spread(filters, shape)
    return (down + across).sqrt()


def elongation(filters: Tensor, shape: tuple[int, ...]) -> Tensor:
    """√(λ₁ / λ₂) of the second moments of the energy, [F]: 1 for a dot, over 1.7 for a stroke, ∞ for a thin line."""
    down, across, mixed = _spread(filters, shape)
    middle, half = (down + across) / 2, (((down - across) / 2).square() + mixed.square()).sqrt()
    minor = (middle - half).clamp_min(0)
    return torch.where(middle > 0, ((middle + half) / minor).sqrt(), torch.nan)
