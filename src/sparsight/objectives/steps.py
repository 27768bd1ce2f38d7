"""What a whole step does beside its loss: weight decay, noise, and the share that its penalty has in the gradient."""

from dataclasses import dataclass

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
    bias = np.nan
    if "b_enc" in step.layout.parts:
        far = [step(x, b_enc=bias) for bias in (-80.0, -60.0, -40.0)]
        bend = far[0] - 2 * far[1] + far[2]
        bias = bend / 400 / step.n_latents if not abs(bend) <= step.rounding else 0.0
    return Decay(encoder, decoder, bias, absolute)


def _rate(rise: float, of_twice: float, weights: np.ndarray, step: OfStep) -> tuple[float, float]:
    """λ of λ/2 Σ w² and of λ Σ |w|, where weights, and twice the weights, cost so much more than none."""
    squares, sizes = float(np.square(weights).sum() / 2), float(np.abs(weights).sum())
    if not np.isfinite(rise):
        return np.nan, 0.0
    if abs(rise) <= step.rounding:
        return 0.0, 0.0
    growth = of_twice / rise
    if abs(growth - 2) < 0.2:
        return 0.0, rise / sizes
    return (rise / squares if abs(growth - 4) < 0.4 else np.nan), 0.0


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
    W = np.zeros_like(start["W_enc"])
    W[0] = 0.1  # one input is read, so that its noise does what the encoder's bias does

    def acting(level: float, n: int) -> float:
        """The standard deviation of what acts on n samples together, of which this input has this level."""
        x = np.full((n, step.n_inputs), 0.5)
        x[:, 0] = level
        losses = [step(x, seed, W_enc=W, b_enc=0.5, **decoder) for seed in range(_SEEDS)]
        up, down = (step(x, W_enc=W, b_enc=0.5 + side * 0.01, **decoder) for side in (1, -1))
        slope = (up - down) / 0.02 * 0.1
        return float(np.std(losses) / abs(slope)) if slope else np.nan

    silent, level = acting(0.0, n), acting(1.0, n)
    few = acting(1.0, min(n, 4))
    shared = bool(level > 0.5 * few) if n >= 32 and np.isfinite([level, few]).all() else None
    std = silent if shared or shared is None else silent * np.sqrt(n)
    return Noise(True, shared, std, masks=bool(level > 1.5 * silent))


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
    size = 1e-4 if step.function.dtype == np.float64 else 3e-3
    for _ in range(16):
        way = size * dice.choice([-1.0, 1.0], W.shape)

        def slope(way: np.ndarray = way, **decoder: np.ndarray) -> float:
            return step(step.x, W_enc=W + way, **decoder) - step(step.x, W_enc=W - way, **decoder)

        kept = 2 * np.nan_to_num(decay.encoder) * float((W * way).sum())
        whole, bare = slope(W_dec=start["W_dec"]), slope()
        squares.append((np.square(bare - kept), np.square(whole - bare)))
    penalty, error = np.sqrt(np.mean(squares, axis=0))
    return float(penalty / (penalty + error)) if penalty + error > 0 else np.nan
