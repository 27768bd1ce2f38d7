"""The line to write instead, in the words of the library that a function is written in."""

from dataclasses import dataclass

from sparsight.objectives.function import Function


@dataclass(frozen=True)
class Lines:
    """Lines about `codes`, `recon` and `x` in one language."""

    language: str
    codes: str
    recon: str
    x: str = "x"
    W: tuple[str, ...] = ("W1", "W2")

    @classmethod
    def of(cls, function: Function, weights: tuple[str, ...] = ()) -> "Lines":
        """With the names that the function uses."""
        codes = function.names.get("codes") or function.local("codes", "h")
        recon = function.names.get("recon") or function.local("recon", "recon")
        return cls(function.language, codes, recon, function.names["x"], weights or ("W1", "W2"))

    def _reduced(self, verb: str, what: str, axis: int | None) -> str:
        inside = "" if axis is None else f", axis={axis}"
        match self.language:
            case "tensorflow":
                return f"tf.reduce_{verb}({what}{inside})"
            case "torch":
                return f"{_held(what)}.{verb}({'' if axis is None else axis})"
            case other:
                return f"{_MODULE[other]}.{verb}({what}{inside})"

    def _sum(self, what: str, axis: int | None = None) -> str:
        return self._reduced("sum", what, axis)

    def _mean(self, what: str, axis: int | None = None) -> str:
        return self._reduced("mean", what, axis)

    def _log(self, what: str) -> str:
        prefix = {"tensorflow": "tf.math", "torch": "torch"}.get(self.language) or _MODULE[self.language]
        return f"{prefix}.log({what})"

    def mean_activity(self) -> str:
        """Each feature's mean, held away from 0 and 1."""
        mean = self._mean(self.codes, 0)
        match self.language:
            case "torch":
                return f"{mean}.clamp(1e-6, 1 - 1e-6)"
            case "tensorflow":
                return f"tf.clip_by_value({mean}, 1e-6, 1 - 1e-6)"
            case other:
                return f"{_MODULE[other]}.clip({mean}, 1e-6, 1 - 1e-6)"

    def divergence(self, target: float, weight: str = "3") -> str:
        """weight · Σ_j KL(target ‖ q_j)."""
        p, rest = f"{target:.3g}", f"{1 - target:.3g}"
        log, other = self._log(f"{p} / q"), self._log(f"{rest} / (1 - q)")
        of = self._sum(f"{p} * {log} + {rest} * {other}")
        return f"`q = {self.mean_activity()}` and `{weight} * {of}`"

    def error(self) -> str:
        """½ ‖error‖² per sample."""
        return f"`0.5 * {self._mean(self._sum(f'({self.recon} - {self.x}) ** 2', 1))}`"

    def absolute(self, weight: str) -> str:
        """weight · E_b[ Σ_j |codes_bj| ]."""
        what = {"torch": f"{self.codes}.abs()", "tensorflow": f"tf.abs({self.codes})"}.get(
            self.language, f"{_MODULE.get(self.language, 'np')}.abs({self.codes})"
        )
        return f"`{weight} * {self._mean(self._sum(what, 1))}`"

    def decay(self) -> str:
        """λ/2 Σ w² of the weights."""
        return f"`0.5 * 3e-3 * ({' + '.join(self._sum(f'{w} ** 2') for w in self.W)})`"

    def noise(self) -> str:
        """Noise of its own for every sample."""
        fresh = {
            "torch": f"torch.randn_like({self.x})",
            "tensorflow": f"tf.random.normal(tf.shape({self.x}))",
            "keras": f"keras.random.normal(ops.shape({self.x}))",
            "jax": f"jax.random.normal(key, {self.x}.shape)",
        }.get(self.language, f"rng.standard_normal({self.x}.shape)")
        return f"{self.x} + 0.3 * {fresh}"


_MODULE = {"numpy": "np", "jax": "jnp", "keras": "ops", "torch": "torch", "tensorflow": "tf"}


def _held(what: str) -> str:
    """In brackets, where it is more than one name or one call."""
    depth, loose = 0, False
    for sign in what:
        depth += (sign == "(") - (sign == ")")
        loose |= depth == 0 and sign == " "
    return f"({what})" if loose else what
