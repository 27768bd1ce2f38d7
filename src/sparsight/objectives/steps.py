"""What a whole step does beside its loss: weight decay, noise, and the share that its penalty has in the gradient."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sparsight.objectives.loss import OfStep

_SEEDS = 64


@dataclass(frozen=True)
class Decay:
    """λ of λ/2 Σ w², of each part of the parameters; NaN: it cannot be told."""

    encoder: float = np.nan
    decoder: float = np.nan
    encoder_bias: float = np.nan
    absolute: float = 0.0
    """λ of λ Σ |w|, of encoder or decoder."""

    @property
    def of_weights(self) -> float:
        """The larger of the two."""
        return float(np.fmax(self.encoder, self.decoder))


def measured_decay(step: OfStep, target: float) -> Decay:
    """What weights cost where they do nothing: the encoder's where samples are 0, the decoder's where r = 0."""
    dice = np.random.default_rng(2)
    U = 0.1 * dice.standard_normal((step.n_inputs, step.n_latents))
    V = 0.1 * dice.standard_normal((step.n_latents, step.n_inputs))
    V[1::2] = -V[: step.n_latents // 2 * 2 : 2]
    if step.n_latents % 2:
        V[-1] = 0
    x = np.zeros_like(step.x)

    def even(size: float, bias: float, **parts: np.ndarray) -> float:
        both = [step(x, b_enc=bias, **{part: sign * size * w for part, w in parts.items()}) for sign in (1, -1)]
        return sum(both) / 2 - step(x, b_enc=bias)

    # where codes rest at an end, noise that is not shared still bends a divergence of their mean, by its own half there
    sides = np.array([even(1.0, bias, W_enc=U) for bias in (-15.0, 15.0)])
    rise = sides[0]
    if step.noisy and np.isfinite(sides).all() and abs(sides[0] - sides[1]) > 0.05 * np.abs(sides).max():
        rise = (sides[0] * (1 - target) - sides[1] * target) / (1 - 2 * target) if 0 < target < 0.5 else sides.min()
        rise = 0.0 if rise < 0.05 * np.abs(sides).max() else rise
    encoder, absolute = _rate(rise, even(2.0, -15.0, W_enc=U) - sides[0] + rise, U, step)
    decoder = np.nan
    if "W_dec" in step.layout.parts:
        decoder, also = _rate(even(1.0, -15.0, W_dec=V), even(2.0, -15.0, W_dec=V), V, step)
        absolute = max(absolute, also)
    far = [step(x, b_enc=bias) for bias in (-80.0, -60.0, -40.0)]
    bias = (far[0] - 2 * far[1] + far[2]) / 400 / step.n_latents if "b_enc" in step.layout.parts else np.nan
    return Decay(encoder, decoder, _clean(bias, step), absolute)


def _rate(rise: float, of_twice: float, weights: np.ndarray, step: OfStep) -> tuple[float, float]:
    """λ of λ/2 Σ w² and of λ Σ |w|, where weights, and twice the weights, cost so much more than none."""
    squares, sizes = float(np.square(weights).sum() / 2), float(np.abs(weights).sum())
    if not np.isfinite(rise):
        return np.nan, 0.0
    if _clean(rise / squares, step) == 0:
        return 0.0, 0.0
    growth = of_twice / rise
    if abs(growth - 2) < 0.2:
        return 0.0, rise / sizes
    return (rise / squares if abs(growth - 4) < 0.4 else np.nan), 0.0


def _clean(decay: float, step: OfStep) -> float:
    """0 where it is nothing but rounding."""
    rounding = 1e-12 if step.function.dtype == np.float64 else 1e-5
    return 0.0 if np.isfinite(decay) and abs(decay) < rounding * max(1.0, abs(step.ordinary)) else float(decay)


@dataclass(frozen=True)
class Noise:
    """What differs from call to call."""

    at_inputs: bool
    """Nothing else than samples, before the encoder."""
    shared: bool | None = None
    """All samples of a batch have the same; None: it cannot be told."""
    std: float = np.nan
    """Of what is added to an input that is 0."""
    masks: bool = False
    """Inputs that are not 0 have more of it."""


def measured_noise(step: OfStep) -> Noise | None:
    """Where noise acts, whether samples share it, and how large it is; None: there is none."""
    if not step.random:
        return None
    kept, step.function.off = step.function.off, {}
    try:
        return _noise(step)
    finally:
        step.function.off = kept


def _noise(step: OfStep) -> Noise:
    n = len(step.x)
    start = step.start()
    decoder = {"W_dec": np.abs(start["W_dec"])} if "W_dec" in start else {}
    blind = [step(step.x, seed, b_enc=0.5, **decoder) for seed in (0, 1)]
    if blind[0] != blind[1]:
        return Noise(at_inputs=False)
    shared = _shared(step, start)
    stds = []
    for level in (0.0, 1.0):
        x = np.full_like(step.x, 0.5)
        x[:, 0] = level
        W = np.zeros_like(start["W_enc"])
        W[0] = 0.1
        losses = [step(x, seed, W_enc=W, b_enc=0.5, **decoder) for seed in range(_SEEDS)]
        up, down = (step(x, W_enc=W, b_enc=0.5 + side * 1e-3, **decoder) for side in (1, -1))
        slope = (up - down) / 0.02
        stds.append(float(np.std(losses) / abs(slope) * (1 if shared else np.sqrt(n))))
    return Noise(True, shared, stds[0], masks=bool(stds[1] > 1.5 * stds[0]))


def _shared(step: OfStep, start: dict[str, Any]) -> bool | None:
    """Whether the gradients of identical samples are identical."""
    if step.function.dtype != np.float64:
        return None
    x = np.full_like(step.x, 0.5)
    move = 1e-3 * np.random.default_rng(3).standard_normal(step.n_inputs)
    slopes = []
    for row in range(min(4, len(x))):
        moved = np.zeros_like(x)
        moved[row] = move
        slopes.append(step(x + moved, **start) - step(x - moved, **start))
    return bool(np.ptp(slopes) < 1e-5 * np.abs(slopes).max())


def share_of_gradient(step: OfStep, decay: Decay) -> float:
    """The penalty's part in the encoder's gradient at a usual start: ‖g_penalty‖ / (‖g_penalty‖ + ‖g_error‖).

    The penalty's gradient is the one that is left where the decoder is 0. Both are estimated from slopes along random
    directions.
    """
    start = step.start()
    if "W_dec" not in start:
        return np.nan
    dice = np.random.default_rng(4)
    W, squares = start["W_enc"], []
    for _ in range(16):
        way = 1e-4 * dice.choice([-1.0, 1.0], W.shape)

        def slope(way: np.ndarray = way, **decoder: np.ndarray) -> float:
            return step(step.x, W_enc=W + way, **decoder) - step(step.x, W_enc=W - way, **decoder)

        kept = 2 * np.nan_to_num(decay.encoder) * float((W * way).sum())
        whole, bare = slope(W_dec=start["W_dec"]), slope()
        squares.append((np.square(bare - kept), np.square(whole - bare)))
    penalty, error = np.sqrt(np.mean(squares, axis=0))
    return float(penalty / (penalty + error)) if penalty + error > 0 else np.nan
