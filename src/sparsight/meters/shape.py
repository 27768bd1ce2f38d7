"""What filters look like: one number per filter, in float64.

Throughout, w is a filter [D] and e = w² / Σ w² its energy. No measure depends on the scale of a filter. `shape` is
(height, width) or (height, width, channels); with channels, the energy of a pixel is the sum over its channels. A
measure that is not defined, such as Moran's I of a constant filter, is NaN. Values for comparison are medians on
28 × 28 pixels: white noise, and MNIST's digits.
"""

import math

import torch
from torch import Tensor

from sparsight.core import generator
from sparsight.errors import SparsightError
from sparsight.meters.moments import precise

FLAT = 1e-24
"""Filters with a largest |w| of 1 are constant where their mean square about the mean is below this: rounding."""
BLOCK = 512
"""Filters that are compared with all others at a time."""


def white_noise(n: int, width: int) -> Tensor:
    """The null of every measure here: independent normal numbers in the place of filters, always the same, [n, D]."""
    return torch.randn(n, width, generator=generator(0, 0))


def scaled(filters: Tensor) -> Tensor:
    """Filters in float64 with a largest |w| of 1, so that no square under- or overflows, [F, D]; zeros stay.

    Raises:
        SparsightError: not a matrix.
    """
    if filters.ndim != 2 or not filters.shape[1]:
        raise SparsightError(f"filters must be a matrix with one row per feature, not of shape {tuple(filters.shape)}")
    filters = precise(filters)
    peak = filters.abs().amax(1, keepdim=True)
    return filters / torch.where(peak > 0, peak, 1.0)


def pictures(filters: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Scaled filters as pictures, [F, H, W, C].

    Raises:
        SparsightError: the shape is not that of a picture, or filters have another size.
    """
    filters = scaled(filters)
    if len(shape) not in (2, 3):
        raise SparsightError(f"a picture has the shape (height, width) or (height, width, channels), not {shape}")
    if min(shape) < 1 or math.prod(shape) != filters.shape[1]:
        raise SparsightError(f"filters of {filters.shape[1]} inputs cannot have the shape {shape}")
    return filters.unflatten(1, (*shape[:2], -1))


def _energy(filters: Tensor) -> Tensor:
    """e = w² / Σ w², [F, D]; NaN where the filter is zero."""
    energy = scaled(filters).square()
    return energy / energy.sum(1, keepdim=True)


def _centred(filters: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """c = w − mean(w) channel by channel, [F, H, W, C], and Σ c², [F]; NaN where the filter is constant."""
    c = pictures(filters, shape)
    c = c - c.mean(dim=(1, 2), keepdim=True)
    power = c.square().sum(dim=(1, 2, 3))
    return c, torch.where(power <= FLAT * filters.shape[1], torch.nan, power)


def moran(filters: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Moran's I over neighbours in four directions: (Σ_adj c_p c_q / n_adj) / (Σ c² / d), c = w − mean(w), [F].

    d is the number of pixels and n_adj that of neighbouring pairs. White noise has 0, smooth filters nearly 1 (digits
    .81), a checkerboard −1. Channels have their own I; they are averaged with their variances as weights, so that an
    empty channel does not count (Moran 1950).
    """
    c, power = _centred(filters, shape)
    _, height, width, _ = c.shape
    pairs = height * (width - 1) + (height - 1) * width
    across = (c[:, :, 1:] * c[:, :, :-1]).sum(dim=(1, 2, 3))
    down = (c[:, 1:] * c[:, :-1]).sum(dim=(1, 2, 3))
    return (across + down) / power * (height * width / pairs if pairs else math.nan)


def total_variation(filters: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Σ ‖∇w‖² / (2 Σ c²) with forward differences and c = w − mean(w), [F].

    White noise has 1.92 (2 but for the border), digits .43; 0 is smoothest. The quadratic kind, one of Geary's C
    family, not the L1 kind of Rudin, Osher & Fatemi (1992). Channels are summed above and below.
    """
    c, power = _centred(filters, shape)
    steps = c.diff(dim=1).square().sum(dim=(1, 2, 3)) + c.diff(dim=2).square().sum(dim=(1, 2, 3))
    return steps / (2 * power)


def low_frequency_share(filters: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Σ_{|f| ≤ 1/8} |FFT c|² / Σ |FFT c|² with |f| in cycles per pixel and c = w − mean(w), [F], 0 to 1.

    White noise has .05, digits .55 (natural images: Field 1987).
    """
    c, power = _centred(filters, shape)
    _, height, width, _ = c.shape
    spectrum = torch.fft.fft2(c, dim=(1, 2), norm="ortho").abs().square().sum(3)
    rows = torch.fft.fftfreq(height, dtype=c.dtype, device=c.device)
    columns = torch.fft.fftfreq(width, dtype=c.dtype, device=c.device)
    low = rows[:, None].square() + columns[None, :].square() <= 1 / 64
    return (spectrum * low).sum(dim=(1, 2)) / power


def participation_ratio(filters: Tensor) -> Tensor:
    """1 / (D Σ e²), [F]: the share of the inputs that a filter is spread over, 1/D to 1.

    White noise has 1/3, a digit .12, a pen stroke on digits .03 (Bell & Dean 1970).
    """
    energy = _energy(filters)
    return 1 / (energy.shape[1] * energy.square().sum(1))


def moments(filters: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """First and second moments of the energy in pixels: centroid x and y; Σ e (x − x̄)², (y − ȳ)² and mixed; all [F].

    x counts columns, y rows.
    """
    energy = pictures(filters, shape).square().sum(3)
    energy = energy / energy.sum(dim=(1, 2), keepdim=True)
    y = torch.arange(shape[0], dtype=energy.dtype, device=energy.device)[None, :, None]
    x = torch.arange(shape[1], dtype=energy.dtype, device=energy.device)[None, None, :]
    x0, y0 = ((energy * axis).sum(dim=(1, 2)) for axis in (x, y))
    x, y = x - x0[:, None, None], y - y0[:, None, None]
    xx, yy, xy = ((energy * m).sum(dim=(1, 2)) for m in (x * x, y * y, x * y))
    return x0, y0, xx, yy, xy


def rms_radius(filters: Tensor, shape: tuple[int, ...]) -> Tensor:
    """√(Σ e ‖p − centroid‖²) in pixels, [F]. White noise has 11.4, a digit 6.6, a pen stroke on digits 2.7."""
    _, _, xx, yy, _ = moments(filters, shape)
    return (xx + yy).sqrt()


def elongation(filters: Tensor, shape: tuple[int, ...]) -> Tensor:
    """√(λ₁ / λ₂) with the principal second moments λ of the energy about its centroid, [F].

    1 for a dot, 1.7 and more for a stroke, ∞ for a line one pixel thin. Nothing is added for the size of a pixel.
    """
    _, _, xx, yy, xy = moments(filters, shape)
    middle, half = (xx + yy) / 2, (((xx - yy) / 2).square() + xy.square()).sqrt()
    rounding = 1e-14 * math.hypot(*shape[:2]) ** 2
    minor = middle - half
    ratio = (middle + half) / torch.where(minor > rounding, minor, 0.0)
    # One pixel has no extent at all, which is the limit of ever smaller dots.
    return torch.where(middle <= rounding, 1.0, ratio.sqrt())


def dead_input_energy(filters: Tensor, std: Tensor, below: float = 0.02) -> Tensor:
    """Σ e over the inputs with a standard deviation under `below`, [F], 0 to 1: what is spent where nothing happens.

    White noise has .27 on MNIST's borders. `std` is [D], in the units of the data.

    Raises:
        SparsightError: `std` has another width than the filters.
    """
    energy = _energy(filters)
    if std.shape != energy.shape[1:]:
        raise SparsightError(f"filters have {energy.shape[1]} inputs but std has the shape {tuple(std.shape)}")
    return (energy * (precise(std).to(energy.device) < below)).sum(1)


def max_cosine(filters: Tensor) -> Tensor:
    """max_{k≠j} |cos(w_j, w_k)|, [F], 0 to 1: 1 for a duplicate, up to sign. NaN where there is no other filter.

    White noise has .10, digits .77 (200 of them). The largest of all is the mutual coherence (Donoho & Elad 2003).
    """
    filters = scaled(filters)
    unit = filters / filters.norm(dim=1, keepdim=True)
    zero = unit.isnan().any(1)
    unit = unit.nan_to_num()
    best = []
    for start, rows in enumerate(unit.split(BLOCK)):
        cosines = (rows @ unit.T).abs()
        own = torch.arange(len(rows), device=rows.device)
        cosines[own, own + start * BLOCK] = -1
        best.append(cosines.masked_fill(zero, -1).amax(1))
    largest = torch.cat(best) if best else unit.new_zeros(0)
    return torch.where(zero | (largest < 0), torch.nan, largest.clamp_max(1))


def hoyer(filters: Tensor) -> Tensor:
    """(√D − ‖w‖₁ / ‖w‖₂) / (√D − 1), [F]: 0 where all |w| are equal, 1 for a single input (Hoyer 2004).

    White noise has .21, digits .65.
    """
    filters = scaled(filters)
    root = math.sqrt(filters.shape[1])
    ratio = filters.abs().sum(1) / filters.norm(dim=1)
    return (root - ratio) / (root - 1) if root > 1 else torch.full_like(ratio, torch.nan)


def gini(filters: Tensor) -> Tensor:
    """1 − 2 Σ_k (|w|_(k) / ‖w‖₁) (D − k + ½) / D with |w|_(k) in ascending order, [F].

    0 where all |w| are equal, 1 − 1/D for a single input (Hurley & Rickard 2009).
    """
    ordered = scaled(filters).abs().sort(dim=1).values
    n = ordered.shape[1]
    ranks = torch.arange(1, n + 1, dtype=ordered.dtype, device=ordered.device)
    return 1 - 2 * (ordered @ (n - ranks + 0.5)) / (n * ordered.sum(1))
