"""How well filters are Gabor functions, and which ones.

A filter w is fitted by m(p) = E (α cos(2πf u) + β sin(2πf u)) with E = exp(−u²/2σx² − v²/2σy²), where u runs along
the wave and v across it. α and β are linear: they are solved exactly at every step, and Levenberg-Marquardt moves the
other six (variable projection: Golub & Pereyra 1973; Kaufman's Jacobian 1975). All filters and starts move at once.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from sparsight.meters.moments import precise
from sparsight.meters.shape import moments, pictures

SMALLEST = 0.5
"""The narrowest envelope, σ in pixels: a narrower one is a single pixel all the same."""
BLOCK = 32
"""Fits that move at once: their Jacobian must stay in the processor's cache."""
TRIAL = 20
"""Steps that every start takes in float32, before those that met are counted as one."""
DAMPING = 1.0
"""The first steps are half Newton's: longer ones leave the basin of a start, for a worse one more often than not."""
STEPS = 60
"""Steps that each may take in float64 after that."""
TOLERANCE = 1e-7
"""A fit is done when two steps each explain less than this share of the filter more."""
MET = (0.4, 0.4, 0.1, 0.1, 0.1, 0.1)
"""How near two fits to a filter must be to end at the same: pixels, radians, and logarithms."""


@dataclass(frozen=True, kw_only=True)
class GaborFit:
    """The best Gabor function of each filter, amplitude · exp(−u²/2σx² − v²/2σy²) cos(2πf u + phase); all [F], float64.

    u = (x − x0) cos θ + (y − y0) sin θ and v = −(x − x0) sin θ + (y − y0) cos θ, with x counting columns and y rows,
    downwards. A zero filter has NaN everywhere.
    """

    r2: Tensor
    """1 − ‖w − m‖² / ‖w‖². White noise has .03, MNIST's digits .47 (28 × 28 pixels, medians)."""
    x0: Tensor
    """The centre in pixels."""
    y0: Tensor
    orientation: Tensor
    """θ, the direction of the wave, 0 to π. A pen stroke runs across it."""
    frequency: Tensor
    """f in cycles per pixel, up to ½."""
    phase: Tensor
    """−π to π; 0: even."""
    sigma_x: Tensor
    """The envelope's width along the wave, in pixels."""
    sigma_y: Tensor
    """The envelope's width across the wave, in pixels."""
    amplitude: Tensor
    """Above 0, in the units of the filters."""


def fit_gabor(filters: Tensor, shape: tuple[int, ...]) -> GaborFit:
    """R² = 1 − min ‖w − m‖² / ‖w‖² over Gabor functions m, with its parameters (Jones & Palmer 1987).

    Filters are [F, D]. Each has six starts, from the peaks of its spectrum and the moments of its energy. Centres stay
    within the picture, frequencies between a quarter of a cycle over its longer side and ½ cycle per pixel, widths
    between half a pixel and the longer side. With channels, the filter is first projected on its principal colour, and
    what that leaves out is not explained.

    Raises:
        SparsightError: filters do not have that shape.
    """
    colours = pictures(filters, shape)
    image, total = _principal(colours)
    live = total > 0
    peak = precise(filters).abs().amax(1)
    x0, y0, theta, log_f, log_x, log_y = out = total.new_full((6, len(image)), torch.nan)
    alpha, beta, r2 = total.new_full((3, len(image)), torch.nan)
    if live.any():
        flat = image[live].flatten(1)
        problem = _Problem(flat / total[live].sqrt()[:, None], (shape[0], shape[1]))
        out[:, live], alpha[live], beta[live], r2[live] = _search(problem)
        scale = (total[live].sqrt() * peak[live]).to(alpha)
        alpha[live] *= scale
        beta[live] *= scale
    turned = torch.floor(theta / math.pi).remainder(2) == 1
    theta = theta.remainder(math.pi)
    beta = torch.where(turned, -beta, beta)
    # remainder() may round up to π itself, which is the same direction as 0, seen from the other side.
    edge = theta >= math.pi
    theta, beta = torch.where(edge, 0.0, theta), torch.where(edge, -beta, beta)
    return GaborFit(
        r2=r2.clamp(0, 1),
        x0=x0,
        y0=y0,
        orientation=theta,
        frequency=log_f.exp(),
        phase=torch.atan2(-beta, alpha),
        sigma_x=log_x.exp(),
        sigma_y=log_y.exp(),
        amplitude=torch.hypot(alpha, beta),
    )


def _principal(colours: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures [F, H, W, C] on their principal colour, [F, H, W], and their full energy, [F]."""
    total = colours.square().sum(dim=(1, 2, 3))
    if colours.shape[3] == 1:
        return colours[..., 0], total
    flat = colours.flatten(1, 2)
    colour = torch.linalg.eigh(flat.mT @ flat).eigenvectors[:, :, -1]
    sign = torch.where(colour.sum(1, keepdim=True) < 0, -1.0, 1.0)
    return (colours * (colour * sign)[:, None, None, :]).sum(3), total


class _Problem:
    """Filters of norm 1 (or less, where a colour was left out), [F, H W], on a grid of pixels."""

    def __init__(self, filters: Tensor, size: tuple[int, int]) -> None:
        self.filters = filters
        self.height, self.width = size
        self.side = max(size)
        ys = torch.arange(size[0], dtype=filters.dtype, device=filters.device)
        xs = torch.arange(size[1], dtype=filters.dtype, device=filters.device)
        self.y, self.x = (axis.flatten() for axis in torch.meshgrid(ys, xs, indexing="ij"))
        log_side = math.log(max(self.side, 2 * SMALLEST))
        low = [0.0, 0.0, -math.inf, math.log(1 / (4 * self.side)), math.log(SMALLEST), math.log(SMALLEST)]
        high = [self.width - 1.0, self.height - 1.0, math.inf, math.log(0.5), log_side, log_side]
        self.low, self.high = filters.new_tensor(low), filters.new_tensor(high)

    def clamp(self, parameters: Tensor) -> Tensor:
        return torch.minimum(torch.maximum(parameters, self.low), self.high)

    def evaluate(self, parameters: Tensor, w: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What is explained [P], (α, β) [P, 2], JᵀJ [P, 6, 6] and Jᵀr [P, 6] of fits [P, 6] to filters [P, D].

        The columns of J are orthogonal to both linear functions already.
        """
        x0, y0, theta, log_f, log_x, log_y = (p[:, None] for p in parameters.unbind(1))
        cos, sin, k = theta.cos(), theta.sin(), 2 * math.pi * log_f.exp()
        x, y = self.x - x0, self.y - y0
        u = cos * x + sin * y
        v = cos * y - sin * x
        tight_x, tight_y = (-2 * log_x).exp(), (-2 * log_y).exp()
        envelope = torch.exp(-0.5 * (tight_x * u.square() + tight_y * v.square()))
        wave = k * u
        even, odd = envelope * wave.cos(), envelope * wave.sin()
        linear, inverse, linear_w = self._linear(even, odd, w)
        alpha, beta = linear[:, :1], linear[:, 1:]
        m = alpha * even + beta * odd  # the fit
        q = k * (beta * even - alpha * odd)  # its change along the wave, but for the envelope's
        mu, mv = tight_x * (u * m), tight_y * (v * m)
        du = q - mu
        rows = w.new_empty(len(w), 8, w.shape[1])
        torch.sub(-sin * mv, cos * du, out=rows[:, 0])
        torch.sub(cos * mv, sin * du, out=rows[:, 1])
        torch.add(v * du, u * mv, out=rows[:, 2])
        torch.mul(u, q, out=rows[:, 3])
        torch.mul(u, mu, out=rows[:, 4])
        torch.mul(v, mv, out=rows[:, 5])
        rows[:, 6], rows[:, 7] = even, odd
        gram = rows @ rows.mT
        residual = (rows @ (w - m)[:, :, None]).squeeze(2)
        mixed = gram[:, :6, 6:]
        hessian = gram[:, :6, :6] - mixed @ inverse @ mixed.mT
        return (linear * linear_w).sum(1), linear, hessian, residual[:, :6]

    @staticmethod
    def _linear(even: Tensor, odd: Tensor, w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The best (α, β) [P, 2], the inverse of their normal matrix [P, 2, 2], and its right side [P, 2]."""
        a, b, c = (even * even).sum(1), (even * odd).sum(1), (odd * odd).sum(1)
        right = torch.stack(((even * w).sum(1), (odd * w).sum(1)), dim=1)
        # A narrow envelope on a slow wave leaves nothing of the sine; a ridge keeps β finite there.
        ridge = (1e-6 if w.dtype == torch.float32 else 1e-12) * (a + c) + torch.finfo(w.dtype).tiny
        a, c = a + ridge, c + ridge
        inverse = torch.stack((c, -b, -b, a), dim=1).view(-1, 2, 2) / (a * c - b * b)[:, None, None]
        linear = (inverse @ right[:, :, None]).squeeze(2)
        return linear, inverse, right


def _search(problem: _Problem) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Parameters [6, F], α [F], β [F] and R² [F] of the best fits."""
    starts = problem.clamp(_starts(problem))  # [F, S, 6]
    n, s, _ = starts.shape
    rough = _Problem(problem.filters.float(), (problem.height, problem.width))
    of = torch.arange(n, device=starts.device).repeat_interleave(s)
    tried, explained, _ = _descend(rough, starts.float().flatten(0, 1), of, TRIAL)
    tried = problem.clamp(tried.double()).view(n, s, 6)
    new = _new(tried, explained.view(n, s)).flatten()
    ended, gained, linear = _descend(problem, tried.flatten(0, 1)[new], of[new], STEPS)
    explained = torch.full_like(new, -1, dtype=gained.dtype)
    explained[new] = gained
    winner = explained.view(n, s).argmax(1) + torch.arange(0, n * s, s, device=of.device)
    winner = (new.cumsum(0) - 1)[winner]
    return ended[winner].T, linear[winner, 0], linear[winner, 1], gained[winner]


def _new(tried: Tensor, explained: Tensor) -> Tensor:
    """Which fits [F, S, 6] are not near another one that explains more, [F, S]; of equals, the first is new."""
    apart = tried[:, :, None] - tried[:, None, :]
    turn = apart[..., 2].remainder(math.pi)
    apart[..., 2] = torch.minimum(turn, math.pi - turn)
    met = (apart.abs() < apart.new_tensor(MET)).all(3)
    first = torch.ones_like(met[0]).tril(-1)
    more = explained[:, None, :] - explained[:, :, None]
    return ~(met & ((more > 0) | ((more == 0) & first))).any(2)


def _descend(problem: _Problem, starts: Tensor, of: Tensor, steps: int) -> tuple[Tensor, Tensor, Tensor]:
    """Levenberg-Marquardt from starts [P, 6] for the filters `of` [P]: parameters, what they explain, (α, β)."""
    parts = [
        _descend_block(problem, a, problem.filters[b], steps)
        for a, b in zip(starts.split(BLOCK), of.split(BLOCK), strict=True)
    ]
    p, explained, linear = (torch.cat(column) for column in zip(*parts, strict=True))
    return p, explained, linear


def _descend_block(problem: _Problem, p: Tensor, w: Tensor, steps: int) -> tuple[Tensor, Tensor, Tensor]:
    done = (p.clone(), p.new_zeros(len(p)), p.new_zeros(len(p), 2))
    where = torch.arange(len(p), device=p.device)
    explained, linear, hessian, gradient = problem.evaluate(p, w)
    damping, idle = p.new_full((len(p),), DAMPING), torch.zeros_like(where)
    for _ in range(steps):
        candidate = problem.clamp(p + _step(problem, p, hessian, gradient, damping))
        new = problem.evaluate(candidate, w)
        gain = new[0] - explained
        better = gain > 0
        damping = torch.where(better, damping * 0.2, damping * 5).clamp(1e-9, 1e9)
        idle = torch.where(gain.abs() < TOLERANCE, idle + 1, torch.where(better, 0, idle))
        p = torch.where(better[:, None], candidate, p)
        explained = torch.where(better, new[0], explained)
        linear = torch.where(better[:, None], new[1], linear)
        hessian = torch.where(better[:, None, None], new[2], hessian)
        gradient = torch.where(better[:, None], new[3], gradient)
        going = (idle < 2) & (damping < 1e9)
        if int(going.sum()) * 4 <= 3 * len(going):
            for whole, part in zip(done, (p, explained, linear), strict=True):
                whole[where] = part
            if not going.any():
                return done
            p, w, where, damping, idle = p[going], w[going], where[going], damping[going], idle[going]
            explained, linear, hessian, gradient = explained[going], linear[going], hessian[going], gradient[going]
    for whole, part in zip(done, (p, explained, linear), strict=True):
        whole[where] = part
    return done


def _step(problem: _Problem, p: Tensor, hessian: Tensor, gradient: Tensor, damping: Tensor) -> Tensor:
    """Solve (H + damping · diag H) step = gradient, [P, 6]; what rests at its bound and pulls outwards stays there."""
    held = ((p <= problem.low) & (gradient < 0)) | ((p >= problem.high) & (gradient > 0))
    diagonal = hessian.diagonal(dim1=1, dim2=2)
    floor = 1e-9 * diagonal.amax(1, keepdim=True) + torch.finfo(p.dtype).tiny
    scale = torch.where(held, 1.0, (diagonal.clamp_min(0) + floor).rsqrt())
    free = (~held).to(p)
    system = hessian * (scale * free)[:, :, None] * (scale * free)[:, None, :]
    system.diagonal(dim1=1, dim2=2).add_(damping[:, None] + 1e-12 + held.to(p))
    step = torch.linalg.solve_ex(system, scale * free * gradient).result * scale
    # No step crosses the picture: far from the solution, the quadratic model knows nothing.
    limit = p.new_tensor([problem.side / 4, problem.side / 4, 0.6, 0.7, 0.7, 0.7])
    return torch.minimum(torch.maximum(step.nan_to_num(), -limit), limit)


def _starts(problem: _Problem) -> Tensor:
    """Six starts for each filter, [F, 6, 6]: waves at peaks of the spectrum, whole and local, and two plain blobs."""
    picture = problem.filters.unflatten(1, (problem.height, problem.width))
    local = _window(problem, picture)
    whole_moments, local_moments = _moments(picture), _moments(local)
    starts = []
    for image, (x0, y0, xx, yy, xy) in ((picture, whole_moments), (local, local_moments)):
        for theta, f in _peaks(image, problem.side):
            cos, sin = theta.cos(), theta.sin()
            along = cos.square() * xx + sin.square() * yy + 2 * cos * sin * xy
            across = sin.square() * xx + cos.square() * yy - 2 * cos * sin * xy
            starts.append((x0, y0, theta, f.log(), _width(along, problem), _width(across, problem)))
        theta = 0.5 * torch.atan2(2 * xy, xx - yy) + math.pi / 2  # across the longer axis
        middle, half = (xx + yy) / 2, (((xx - yy) / 2).square() + xy.square()).sqrt()
        thin, long = _width(middle - half, problem), _width(middle + half, problem)
        starts.append((x0, y0, theta, math.log(1 / 8) - thin, thin, long))
    return torch.stack([torch.stack(start, dim=1) for start in starts], dim=1)


def _moments(picture: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    return moments(picture.flatten(1), (picture.shape[1], picture.shape[2]))


def _width(second: Tensor, problem: _Problem) -> Tensor:
    """log σ of an envelope whose square has this second moment: σ²/2."""
    return (2 * second.clamp_min(0)).sqrt().clamp(1, max(1.0, problem.side / 2)).log()


def _window(problem: _Problem, picture: Tensor) -> Tensor:
    """The picture under a Gaussian window about the place where most of its energy is, [F, H, W]."""
    sigma = max(problem.side / 8, 1.0)
    y, x = torch.arange(problem.height).to(picture), torch.arange(problem.width).to(picture)
    blur_y = torch.exp(-0.5 * ((y[:, None] - y) / sigma).square())
    blur_x = torch.exp(-0.5 * ((x[:, None] - x) / sigma).square())
    blurred = blur_y @ picture.square() @ blur_x
    at = blurred.flatten(1).argmax(1)
    row, column = at // problem.width, at % problem.width
    return picture * blur_y[row][:, :, None] * blur_x[column][:, None, :]


def _peaks(picture: Tensor, side: int) -> list[tuple[Tensor, Tensor]]:
    """Direction and frequency of the two highest peaks of the spectrum that are no neighbours, each [F]."""
    size = 2 * side
    centred = picture - picture.mean(dim=(1, 2), keepdim=True)
    power = torch.fft.rfft2(centred, s=(size, size)).abs().square()
    fy = torch.fft.fftfreq(size).to(picture)[:, None].expand(power.shape[1:]).flatten()
    fx = torch.fft.rfftfreq(size).to(picture)[None, :].expand(power.shape[1:]).flatten()
    radius = torch.hypot(fx, fy)
    power = power.flatten(1) * ((radius <= 0.5) & (radius >= 0.5 / side))
    peaks = []
    for _ in range(2):
        at = power.argmax(1)
        x, y = fx[at], fy[at]
        peaks.append((torch.atan2(y, x), torch.hypot(x, y).clamp_min(0.5 / side)))
        # The spectrum of a real picture is even: the mirrored peak is the same wave.
        near = torch.hypot(fx - x[:, None], fy - y[:, None]) < 1.5 / side
        mirrored = torch.hypot(fx + x[:, None], fy + y[:, None]) < 1.5 / side
        power = power.masked_fill(near | mirrored, -1)
    return peaks
