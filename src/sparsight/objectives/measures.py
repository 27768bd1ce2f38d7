"""What an objective does, measured: its error's unit, its penalty's target and unit, and over what it takes means."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, xlogy

from sparsight.objectives.loss import Loss, OfTerms, Pattern

Over = Literal["features", "activations", "samples", "all codes"]
"""What the penalty's argument is a mean of: each feature's codes, nothing, each sample's codes, or all."""
TOLERANCE = 0.02
_GRID = np.array([1e-4, 1e-3, 1e-2, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 0.9999])
"""Constant codes; the outer three at each end are ten times nearer to it, one by one."""


def _kl(p: float | np.ndarray, q: np.ndarray | float) -> np.ndarray:
    return xlogy(p, p) - xlogy(p, q) + xlogy(1 - p, 1 - p) - xlogy(1 - p, 1 - q)


def _bernoulli(x: np.ndarray, r: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return (-x * np.log(r) - (1 - x) * np.log(1 - r)).sum(1)


ERRORS: Mapping[str, tuple[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]] = {
    "squared": ("identity", lambda x, r: 0.5 * np.square(r - x).sum(1)),
    "squared, sigmoid": ("sigmoid", lambda x, r: 0.5 * np.square(expit(r) - x).sum(1)),
    "squared, relu": ("relu", lambda x, r: 0.5 * np.square(np.maximum(r, 0) - x).sum(1)),
    "squared, tanh": ("tanh", lambda x, r: 0.5 * np.square(np.tanh(r) - x).sum(1)),
    "cross-entropy": ("identity", _bernoulli),
    "cross-entropy, sigmoid": ("sigmoid", lambda x, r: (np.logaddexp(0, r) - x * r).sum(1)),
    "absolute": ("identity", lambda x, r: np.abs(r - x).sum(1)),
    "absolute, sigmoid": ("sigmoid", lambda x, r: np.abs(expit(r) - x).sum(1)),
    "softmax": ("softmax", lambda x, r: (x * (np.log(np.exp(r).sum(1, keepdims=True)) - r)).sum(1)),
}
"""Output function and formula of the errors that are recognised, per sample, of the reconstruction before it."""


@dataclass(frozen=True)
class Error:
    """What stands for the error of the reconstruction."""

    kind: str | None = None
    """A name in ERRORS; None: another one."""
    unit: float = np.nan
    """It is so many times the mean over samples of the sum over inputs."""
    unit_twice: float = np.nan
    """The same with every sample twice."""
    bias_decay: float = 0.0
    """λ of λ/2 Σ b², of the decoder's bias."""
    reacts: bool = True
    """It changes with the reconstruction."""

    @property
    def output(self) -> str | None:
        return None if self.kind is None else ERRORS[self.kind][0]


def measured_error(loss: Loss) -> Error:
    """Which error it is, and in which unit, from six reconstructions of six batches."""
    n, width = loss.x.shape
    dice = np.random.default_rng(1)
    spans = [(0.2, 0.8)] if isinstance(loss, OfTerms) else [(-0.8, 0.8), (0.2, 0.8)]
    for low, high in spans:
        x = dice.uniform(0.2, 0.8, (n, width))
        logits = dice.uniform(low, high, (7, width))
        values = _values(loss, x, logits)
        if np.isfinite(values).all():
            break
    else:
        return Error()
    if np.ptp(values) <= 1e-9 * np.abs(values).max():
        return Error(reacts=False)
    kind, (unit, decay) = _fitted(x, logits, values, biased=not isinstance(loss, OfTerms))
    if kind is None:
        return Error()
    doubled = np.concatenate([x, x])
    _, (twice, _) = _fitted(doubled, logits, _values(loss, doubled, logits), biased=False, only=kind)
    return Error(kind, unit, twice, decay)


def _values(loss: Loss, x: np.ndarray, logits: np.ndarray) -> np.ndarray:
    found = [loss.error(x, each) for each in logits]
    return np.array([np.nan if value is None else value for value in found])


def _fitted(
    x: np.ndarray, logits: np.ndarray, values: np.ndarray, *, biased: bool, only: str | None = None
) -> tuple[str | None, tuple[float, float]]:
    """The formula whose multiple the values are, up to a constant and to decay of a bias."""
    best: tuple[float, str | None, tuple[float, float]] = (TOLERANCE, None, (np.nan, 0.0))
    half = np.square(logits).sum(1) / 2
    for kind in [only] if only else ERRORS:
        formula = np.array([ERRORS[kind][1](x, np.tile(each, (len(x), 1))).mean() for each in logits])
        columns = np.stack([formula - formula[0], *([half - half[0]] if biased else [])], axis=1)[1:]
        rise = values[1:] - values[0]
        if not (np.isfinite(columns).all() and np.isfinite(rise).all()):
            continue
        weights, *_ = np.linalg.lstsq(columns, rise, rcond=None)
        off = float(np.abs(columns @ weights - rise).max() / np.abs(rise).max())
        plain = np.linalg.lstsq(columns[:, :1], rise, rcond=None)[0]
        off_plain = float(np.abs(columns[:, :1] @ plain - rise).max() / np.abs(rise).max())
        if off_plain < 1e-5 or off_plain < 2 * off or not biased:
            off, weights = off_plain, np.array([plain[0], 0.0])
        if off < best[0]:
            best = off, kind, (float(weights[0]), float(weights[1]))
    return best[1], best[2]


@dataclass(frozen=True, kw_only=True)
class Penalty:
    """What the objective makes of the codes."""

    shape: Literal["none", "target", "fewer", "more"] = "none"
    """Of constant codes: none, least at some activity between, at none, or at the most."""
    target: float = np.nan
    """Where it is least."""
    divergence: float = np.nan
    """It is so many times Σ_j KL(target ‖ ·); NaN: no such divergence."""
    slope: float = np.nan
    """It is so many times Σ_j |codes_j|; NaN: not in proportion to codes."""
    half: bool = False
    """It grows without bound at one end of [0, 1] only, as half of a divergence does."""
    over: Over | None = None
    twice: float = np.nan
    """The penalty of every sample twice, against that of each once."""
    selective: float = np.nan
    """What selective codes cost, above constant ones with the same means."""
    spread: float = np.nan
    """What codes cost, above constant ones, of which the same features are always on."""
    exponent: float = np.nan
    """Of the power of the code by which it grows, at the loud end."""
    curved: float = 0.0
    """By how much selective codes would cost more, were the divergence taken of every activation."""
    profile: Mapping[float, float] = field(default_factory=dict)


def mixture(target: float, domain: tuple[float, float], most: int) -> tuple[int, float, float]:
    """Of `period` samples one has the first code and the others the second, so that the mean is the target."""
    low, high = (domain[0], domain[1]) if np.isfinite(domain).all() else (0.0, 1.0)
    share = (target - low) / (high - low)
    flipped = share > 0.5
    share = 1 - share if flipped else share
    period = next((k for k in (10, 5, 2) if k <= min(1 / share, most)), 2)
    loud, quiet = share * (0.9 * period + 0.1), 0.1 * share
    loud, quiet = (1 - loud, 1 - quiet) if flipped else (loud, quiet)
    return period, low + (high - low) * loud, low + (high - low) * quiet


def patterns(loss: Loss, target: float, domain: tuple[float, float]) -> dict[str, Pattern]:
    """Codes whose mean is the target: constant; selective; by sample alone; by feature alone."""
    n, n_latents = len(loss.x), loss.n_latents
    period, loud, quiet = mixture(target, domain, min(n, n_latents, loss.kinds - 1))
    samples, features = np.arange(period + 1), np.arange(n_latents)
    which = np.arange(n) % period
    which[n - n % period :] = period  # a rest that makes no whole period stays at the target
    rest = features >= n_latents - n_latents % period
    by_sample = np.where(samples[:, None] == 0, loud, quiet) * np.ones(n_latents)
    by_feature = np.where(features % period == 0, loud, quiet) * np.ones((period + 1, 1))
    both = np.where((samples[:, None] + features) % period == 0, loud, quiet)
    made = {"constant": np.full((period + 1, n_latents), target), "selective": both}
    made |= {"by sample": by_sample, "by feature": by_feature}
    for name, rows in made.items():
        rows[period] = target
        if name != "by sample":
            rows[:, rest] = target
    made["by feature"][period] = made["by feature"][0]
    return {name: Pattern(rows, which) for name, rows in made.items()}


def measured_penalty(loss: Loss) -> Penalty:
    """Its shape over constant codes, its unit, and what its argument is a mean of."""
    n, n_latents = len(loss.x), loss.n_latents

    def of_constant(code: float, copies: int = 1) -> float:
        value = loss.penalty(Pattern(np.full((1, n_latents), code), np.zeros(n, dtype=int)), copies)
        return np.nan if value is None else value

    low = (
        -1.0 if (loss.domain[0] == -1 and np.isfinite(of_constant(-0.5))) or _reaches_below(loss, of_constant) else 0.0
    )
    grid = low + (1 - low) * _GRID
    profile = {float(a): of_constant(a) for a in grid}
    values = np.array(list(profile.values()))
    if not np.isfinite(values).all() or np.ptp(values) <= loss.rounding:
        return Penalty(profile=profile)
    span = float(np.ptp(values))
    best = int(values.argmin())
    ends = (low, 1.0)
    if best == 0 or (values[0] - values[best] < 1e-6 * span and values[best + 1] - values[best] > 0):
        shape, target = "fewer", low
    elif best == len(grid) - 1:
        shape, target = "more", 1.0
    else:
        found = minimize_scalar(
            of_constant, bounds=(grid[best - 1], grid[best + 1]), method="bounded", options={"xatol": 1e-7}
        )
        shape, target = "target", float(found.x)
    half = _divergent(values[:3]) != _divergent(values[:-4:-1])
    mean = target if shape == "target" else low + 0.1 * (1 - low)
    rises = {a: v - (of_constant(target) if shape == "target" else values[0]) for a, v in profile.items()}
    tolerance = TOLERANCE if loss.function.dtype == np.float64 else 5 * TOLERANCE
    divergence = slope = np.nan
    if shape == "target":
        share = (target - low) / (1 - low)
        far = [a for a in grid[3:-3] if abs(a - target) > 0.02]
        ratio = np.array([rises[float(a)] / float(_kl(share, (a - low) / (1 - low))) for a in far]) / n_latents
        divergence = float(np.median(ratio)) if np.ptp(ratio) < tolerance * abs(np.median(ratio)) else np.nan
    elif shape == "fewer":
        ratio = np.array([rises[float(a)] / (a - grid[0]) for a in grid[4:-2]]) / n_latents
        slope = float(np.median(ratio)) if np.ptp(ratio) < tolerance * abs(np.median(ratio)) else np.nan
    grown = np.array([values[-4] - values[0], values[-6] - values[0]])
    exponent = float(np.log(grown[0] / grown[1]) / np.log(0.95 / 0.8)) if (grown > 0).all() else np.nan
    once, more = of_constant(0.5) - of_constant(grid[4]), of_constant(0.5, 2) - of_constant(grid[4], 2)
    over, selective, spread, curved = _over(loss, mean, ends, of_constant, span)
    return Penalty(
        shape=shape,
        target=target,
        divergence=divergence,
        slope=slope,
        half=half,
        over=over,
        twice=more / once if once else np.nan,
        selective=selective,
        spread=spread,
        exponent=exponent,
        curved=curved,
        profile=profile,
    )


def _reaches_below(loss: Loss, of_constant: Callable[[float], float]) -> bool:
    """Whether codes of a loss go from −1 to 1: its penalty is least below 0."""
    if not isinstance(loss, OfTerms):
        return False
    values = [of_constant(a) for a in (-0.999, -0.95, -0.8, -0.5, 0.0, 0.5)]
    return bool(np.isfinite(values).all() and 0 < int(np.argmin(values)) < 4 and np.ptp(values[:4]) > 0)


def _divergent(values: np.ndarray) -> bool:
    """Whether it grows like −log of the distance to an end of the interval."""
    nearer, farther = values[0] - values[1], values[1] - values[2]
    return bool(nearer > 0 and farther > 0 and 0.8 < nearer / farther < 1.25)


def _over(
    loss: Loss, mean: float, ends: tuple[float, float], of_constant: Callable[[float], float], span: float
) -> tuple[Over | None, float, float, float]:
    """What means are taken over: the hypothesis that foretells the cost of three patterns of codes with one mean."""
    made = patterns(loss, mean, ends)
    costs = {name: loss.penalty(pattern) for name, pattern in made.items()}
    known = {name: cost for name, cost in costs.items() if cost is not None and np.isfinite(cost)}
    if len(known) < len(made):
        return None, np.nan, np.nan, 0.0
    measured = np.array([known[name] - known["constant"] for name in list(made)[1:]])
    seen: dict[float, float] = {}

    def constant(code: float) -> float:
        return seen.setdefault(round(code, 9), of_constant(round(code, 9)))

    def foretold(means: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        def cost(pattern: Pattern) -> float:
            values, counts = np.unique(means(pattern.codes).round(9), return_counts=True)
            return float(np.average([constant(v) for v in values], weights=counts))

        return np.array([cost(pattern) for pattern in list(made.values())[1:]]) - constant(mean)

    hypotheses: dict[Over, np.ndarray] = {
        "features": foretold(lambda c: c.mean(0)),
        "activations": foretold(lambda c: c),
        "samples": foretold(lambda c: c.mean(1)),
        "all codes": foretold(lambda c: c.mean(keepdims=True)),
    }
    curved = float(hypotheses["activations"][0])
    scale = max(float(np.abs(each).max()) for each in hypotheses.values())
    if scale < 1e-4 * span:  # in proportion to codes: all means are alike
        return None, float(measured[0]), np.nan, 0.0
    off: dict[Over, float] = {name: float(np.abs(each - measured).max() / scale) for name, each in hypotheses.items()}
    best, second = sorted(off, key=lambda name: off[name])[:2]
    if not (off[best] < 0.1 and off[second] > 2 * off[best] + 0.02):
        return None, float(measured[0]), np.nan, curved
    always = float(known["by feature"] - known["constant"])
    return best, float(measured[0]), always, curved
