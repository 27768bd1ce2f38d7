"""Somebody's objective as a function of what a rule wants to vary: the error, or the codes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from scipy.special import expit, logit

from sparsight.objectives.function import Function
from sparsight.objectives.parameters import Layout

LOUD = 100.0
"""How far inputs drown the noise that a step adds to them."""
QUIET = 0.3
"""A code at which every penalty is finite."""
_SOME = (0.1, 0.5, 0.9)
OFF = 0.3
"""An input that no output function gives at 0, so that the error has a slope there."""


@dataclass(frozen=True)
class Pattern:
    """Codes of a batch, [B, F]: rows[which]."""

    rows: np.ndarray  # [kinds of samples, F]
    which: np.ndarray  # [B]

    @property
    def codes(self) -> np.ndarray:
        return self.rows[self.which]


class Loss(Protocol):
    """The objective as rules see it. All values are the whole loss, at the same random numbers."""

    function: Function
    x: np.ndarray  # ordinary samples, [B, D]
    n_latents: int
    ordinary: float
    """The loss at ordinary samples and codes."""

    @property
    def domain(self) -> tuple[float, float]:
        """What codes can be, as far as it is known."""
        ...

    @property
    def kinds(self) -> int:
        """How many kinds of samples a pattern can have."""
        ...

    def again(self) -> float:
        """`ordinary` once more."""
        ...

    @property
    def rounding(self) -> float:
        """Differences of the loss that mean nothing."""
        ...

    def error(self, x: np.ndarray, logits: np.ndarray) -> float | None:
        """With these samples, [B, D], and the same reconstruction before its output function for each, [D]."""
        ...

    def penalty(self, pattern: Pattern, copies: int = 1) -> float | None:
        """With these codes of the batch, taken `copies` times, while the reconstruction stays as it is."""
        ...

    def finite(self, pattern: Pattern) -> bool:
        """Whether the loss and its gradients are finite at these codes."""
        ...


class OfTerms:
    """fn(x, codes, reconstruction)."""

    domain: tuple[float, float] = (0.0, 1.0)
    kinds = 11

    def __init__(self, function: Function, x: np.ndarray, n_latents: int) -> None:
        self.function, self.x, self.n_latents = function, x, n_latents
        self._quiet = np.full((1, n_latents), QUIET)
        ordinary = np.random.default_rng(0).uniform(0.05, 0.6, (len(x), n_latents))
        function.settle(x=x, codes=ordinary, recon=self._near)
        self._arrays = {"x": x, "codes": ordinary, "recon": self._near}
        self.ordinary = self.again()

    def again(self) -> float:
        return self.function(**self._arrays)

    @property
    def rounding(self) -> float:
        return _rounding(self)

    @property
    def _near(self) -> np.ndarray:
        low, high = min(0.0, self.x.min()), max(1.0, self.x.max())
        return 0.9 * self.x + 0.1 * (0.5 * low + 0.5 * high)

    def error(self, x: np.ndarray, logits: np.ndarray) -> float | None:
        codes = np.repeat(self._quiet, len(x), 0)
        return self.function.tried(x=x, codes=codes, recon=np.broadcast_to(logits, x.shape))

    def penalty(self, pattern: Pattern, copies: int = 1) -> float | None:
        x, near, codes = (np.concatenate([a] * copies) for a in (self.x, self._near, pattern.codes))
        return self.function.tried(x=x, codes=codes, recon=near)

    def finite(self, pattern: Pattern) -> bool:
        return self.function.finite({"x": self.x, "codes": pattern.codes, "recon": self._near})


ACTIVATIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], tuple[float, float]]] = {
    "sigmoid": (expit, logit, (0.0, 1.0)),
    "tanh": (np.tanh, np.arctanh, (-1.0, 1.0)),
    "relu": (lambda z: np.maximum(z, 0.0), lambda a: a, (0.0, np.inf)),
    "identity": (lambda z: z, lambda a: a, (-np.inf, np.inf)),
    "softplus": (lambda z: np.logaddexp(0.0, z), lambda a: np.log(np.expm1(a)), (0.0, np.inf)),
}
"""The function, its inverse, and where its values lie."""


class OfStep:
    """fn(x, parameters): a step with one hidden layer, whose codes and error are set through its parameters."""

    def __init__(self, function: Function, x: np.ndarray, layout: Layout) -> None:
        self.function, self.x, self.layout = function, x, layout
        self.n_inputs, self.n_latents = layout.n_inputs, layout.n_latents
        self.ordinary = self.again()
        self.random = self._differs()
        """Two calls differ where the seed does."""
        self.still = self._still() if self.random else None
        """The arguments that switch its noise off; None: none does."""
        function.off = self.still or {}
        self.noisy = self.random and self.still is None
        """It is noisy here, too."""
        self.activation = self._activation()
        self.loud = LOUD if self.noisy and function.dtype == np.float64 else 1.0
        self._one = np.zeros(len(x), dtype=int)

    @property
    def domain(self) -> tuple[float, float]:
        return ACTIVATIONS[self.activation][2] if self.activation else (-np.inf, np.inf)

    @property
    def kinds(self) -> int:
        return min(11, self.n_inputs // 2)

    @property
    def matrices(self) -> list[str]:
        """The names of its weights."""
        return [name for part, name in self.layout.parts.items() if part in ("W_enc", "W_dec")]

    @property
    def rounding(self) -> float:
        return _rounding(self)

    def again(self) -> float:
        return self.function(x=self.x, parameters=self.layout.put(**self.start()))

    def __call__(self, x: np.ndarray, seed: int = 0, /, **parts: Any) -> float:
        """The loss with these parts and all other parameters 0; NaN where the function cannot be called so."""
        value = self.function.tried(seed, x=x, parameters=self.layout.put(**parts))
        return np.nan if value is None else value

    def start(self) -> dict[str, np.ndarray]:
        """Glorot's range for weights, and biases of 0."""
        dice, high = np.random.default_rng(0), np.sqrt(6 / (self.n_inputs + self.n_latents))
        shapes = {"W_enc": (self.n_inputs, self.n_latents), "W_dec": (self.n_latents, self.n_inputs)}
        return {part: dice.uniform(-high, high, shape) for part, shape in shapes.items() if part in self.layout.parts}

    def error(self, x: np.ndarray, logits: np.ndarray) -> float | None:
        if "b_dec" not in self.layout.parts:
            return None
        return self(x, b_dec=logits)

    def mean_code(self, x: np.ndarray, unused: np.ndarray, **parts: Any) -> float:
        """E[codes], read off how much stronger the decoder's bias acts than its weights, at inputs that are 0."""
        if not {"W_dec", "b_dec"} <= self.layout.parts.keys():
            return np.nan
        step, of = 1e-2, {}
        for part, size in (("W_dec", 1 / self.n_latents), ("b_dec", 1.0)):
            value = step * size * (np.tile(unused, (self.n_latents, 1)) if part == "W_dec" else unused)
            of[part] = self(x, **parts, **{part: value}) - self(x, **parts, **{part: -value})
        return of["W_dec"] / of["b_dec"] if of["b_dec"] else np.nan

    def _activation(self) -> str | None:
        """Its name, by its values; None: another one."""
        z = np.array([-3.0, -1.0, -0.25, 0.25, 0.5, 0.75, 1.0, 3.0])
        some = np.ones(self.n_inputs)
        if "b_enc" not in self.layout.parts:
            return None
        x = np.full_like(self.x, OFF)
        found = np.array([self.mean_code(x, some, b_enc=each) for each in z])
        told = np.isfinite(found)  # a penalty may be infinite at the others
        if told.sum() < 2:
            return None
        fits = {name: np.abs(f(z) - found)[told].max() for name, (f, _, _) in ACTIVATIONS.items()}
        best = min(fits, key=lambda name: fits[name])
        return best if fits[best] < 0.03 else None

    def crafted(self, pattern: Pattern) -> tuple[np.ndarray, dict[str, Any]] | None:
        """Samples and encoder that give these codes; None: it cannot be done."""
        if self.activation is None:
            return None
        inverse, (low, high) = ACTIVATIONS[self.activation][1:]
        base = float(inverse(QUIET))
        if "W_dec" not in self.layout.parts:  # tied: only where the encoder is 0 is the reconstruction left alone
            constant = np.ptp(pattern.rows) == 0
            bias = float(inverse(pattern.rows.flat[0])) if constant else np.nan
            return (self._resting(len(pattern.which)), {"b_enc": bias}) if np.isfinite(bias) else None
        half, kinds = self.n_inputs // 2, len(pattern.rows)
        if half < kinds or (pattern.rows < low).any() or (pattern.rows > high).any():
            return None
        with np.errstate(all="ignore"):
            z = np.clip(inverse(pattern.rows), -1e3, 1e3)
        group = np.arange(half) % kinds  # the inputs that are on for each kind of sample
        on = self._resting(kinds)
        on[group, np.arange(half)] = self.loud
        W = np.zeros((self.n_inputs, self.n_latents))
        W[:half] = ((z - base) / (self.loud * np.bincount(group)[:, None]))[group]
        return on[pattern.which], {"W_enc": W, "b_enc": base}

    def _resting(self, n: int) -> np.ndarray:
        """Samples whose first half is 0; no crafted encoder reads the other."""
        return np.tile(np.where(np.arange(self.n_inputs) < self.n_inputs // 2, 0.0, OFF), (n, 1))

    def penalty(self, pattern: Pattern, copies: int = 1) -> float | None:
        return self._penalty(pattern, copies) if self._of_codes else None

    def _penalty(self, pattern: Pattern, copies: int) -> float | None:
        made = self.crafted(pattern)
        if made is None:
            return None
        x, parts = np.concatenate([made[0]] * copies), made[1]
        if "W_enc" not in parts:
            return self(x, **parts)
        if np.ptp(pattern.rows) > 0 and not self.obeys(pattern):
            return None
        usual, resting = {"b_enc": parts["b_enc"]}, self._resting(len(x))
        decay = 0.0 if self.noisy else self(resting, **parts) - self(resting, **usual)
        return self(x, **parts) - self(x, **usual) - decay

    def obeys(self, pattern: Pattern) -> bool:
        """Whether the codes are those that were wanted, on the mean."""
        made = self.crafted(pattern)
        if made is None or "W_enc" not in made[1] or "b_dec" not in self.layout.parts:
            return made is not None
        unused = (np.arange(self.n_inputs) >= self.n_inputs // 2).astype(float)
        wanted = pattern.codes.mean()
        return bool(abs(self.mean_code(made[0], unused, **made[1]) - wanted) < 0.03 * abs(wanted) + 1e-3)

    def finite(self, pattern: Pattern) -> bool:
        made = self.crafted(pattern)
        if made is None:
            return True
        parts = {**self.start(), **made[1]}
        parts.pop("W_dec", None)
        return self.function.finite({"x": made[0], "parameters": self.layout.put(**parts)})

    def _differs(self) -> bool:
        arrays = {"x": self.x, "parameters": self.layout.put(**self.start())}
        values = [self.function.tried(seed, **arrays) for seed in (0, 1, 2)]
        return any(value is not None and value != values[0] for value in values)

    def _still(self) -> dict[str, Any] | None:
        self.function.off = off = {name: _off(value) for name, value in self.function.switches.items()}
        arrays = {"x": self.x, "parameters": self.layout.put(**self.start())}
        called = self.function.tried(**arrays) is not None
        return off if off and called and not self._differs() else None

    @cached_property
    def _of_codes(self) -> bool:
        """Whether its penalty is one of codes: the same however samples and weights make them."""
        loud, values = self.loud, []
        for self.loud in (loud, 2 * loud):
            values.append([self._penalty(Pattern(np.full((1, self.n_latents), code), self._one), 1) for code in _SOME])
        self.loud = loud
        first, second = np.array(values, dtype=float)
        span = np.ptp([first, second])
        return bool(np.isfinite(span) and np.abs(first - second).max() <= 0.02 * span + 10 * self.rounding)


def _rounding(loss: Loss) -> float:
    size = abs(loss.ordinary) if np.isfinite(loss.ordinary) else 1.0
    return (1e-9 if loss.function.dtype == np.float64 else 1e-5) * size


def _off(value: Any) -> Any:
    return False if isinstance(value, bool) else None if value is None else 0.0
