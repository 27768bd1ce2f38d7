"""Say what you want, not how hard to push."""

import math
from collections.abc import Mapping
from typing import Any, final

from torch import nn

from sparsight.core import SAE, Architecture, Knob, Source, Term
from sparsight.core.sampling import spread
from sparsight.errors import SparsightError, did_you_mean
from sparsight.meters.quality import evaluate
from sparsight.spec import knobs

MEASURES = ("l0", "mean_activity", "explained_variance")
"""What can be aimed at, of `meters.quality.Quality`."""
CLOSE = 0.05
"""An aim is reached within this share of it."""
SAMPLES = 2_048
"""Measured at a look, at most; spread evenly over what is held out."""
LOOKS = 200
"""In a training, unless they would be closer than `APART` steps."""
APART = 10
FROZEN, SOONER = 0.1, 0.02
"""The last share of training, in which the knob rests; that of a knob of the activation, which codes follow at once."""
LEARNT = 0.2
"""The first share, in which what is left unexplained says nothing of the knob."""
PROPORTIONAL, INTEGRAL = 1.0, 0.55
AT_ONCE = 0.0, 0.2
"""The same for knobs of the activation, which codes follow without having to learn it."""
CALMER, BOLDER = 0.7, 1.03
"""The gain's factors: after a swing past the aim and out of what is close, and after every other look."""
WIDEST = 0.5
"""The largest turn at a look, as a logarithm; errors count up to 1."""
MEMORY = 0.5
"""The share of the past in the measure that is acted on."""
FADES = 0.9
"""How much of an error at another value is believed a look later."""
MANY_DEAD = 0.1
"""A larger share of dead features is said."""
FUTILE, RESPONSE = math.log(1e4), 0.02
"""A knob that was turned 10,000-fold while the error moved by less than this has no effect and is left there."""


@final
class Controller:
    """Turns a knob of an architecture until a measure of the codes is where it should be.

    With θ = log knob and the error e = log(measure / aim), at each look

        θ ← θ − s g (P (e − e before) + I e),  clipped,

    where s is 1 where more of the knob makes more codes and −1 elsewhere, and the gain g ≤ 1 falls with every swing
    past the aim. For the explained variance, the error is that of what is left unexplained,
    log((1 − aim) / (1 − measure)). Measured are samples that the model is not trained on, always the same, in
    evaluation mode, smoothed over looks.

    A whole number is the one that is nearest to exp θ. Where the aim is between two of them it stays at the better one,
    and tries the other again from time to time.

    At the end the knob rests: for the last tenth of training, where weights have to follow it, since later than that
    what it does is no longer seen, and earlier the falling learning rate goes on to change the codes; and for the last
    fiftieth where it is one of the activation, which codes follow at once. All that changes is in `state_dict`; the
    SAE's own description says where the knob stands.

    Args:
        sae: whose codes are measured.
        architecture: has the knob. The SAE has copies of its parts.
        terms: the summands of the loss, by name, as they are trained.
        aim: one measure and its value.
        sample: measured at each look.

    Raises:
        SparsightError: there is no such measure or knob, the value is out of range, or knob and aim are both given.
    """

    def __init__(
        self,
        sae: SAE,
        architecture: Architecture,
        terms: Mapping[str, Term],
        aim: Mapping[str, float],
        sample: Source,
    ) -> None:
        (self.measure, self.aim), self.knob = _one(aim), _knob(architecture, sae)
        knob, name = self.knob, sae.architecture["name"]
        if self.measure not in knob.moves:
            raise SparsightError(
                f"aim.{self.measure} is beyond architecture.{knob.argument} of {name}, which moves "
                f"{' and '.join(m for m in MEASURES if m in knob.moves)}"
            )
        self._check_range(sae)
        self.part: nn.Module = sae.activation if knob.of == "activation" else terms[knob.of]
        self.sae = sae
        self.sample = sample.take(spread(len(sample), SAMPLES))
        learnt = LEARNT if self.measure == "explained_variance" else 0.0
        self.frozen = SOONER if knob.of == "activation" else FROZEN
        self.begin = max(learnt, min(getattr(self.part, "warmup", 0.0), 1 - 2 * FROZEN))
        self.low, self.high = (math.log(b) for b in knob.bounds or (1, sae.n_latents))
        start = self.aim if knob.sets == self.measure else float(getattr(self.part, knob.attribute))
        self.angle = math.log(max(start, math.exp(self.low)))
        self.smooth: float | None = None
        self.gain = 1.0
        self.seen: dict[int, float] = {}
        """The error at each whole number when it was last there, fading."""
        self.anchor = [self.angle, math.inf]
        self._turn(self.angle)

    @property
    def value(self) -> float:
        """Where the knob stands."""
        return getattr(self.part, self.knob.attribute)

    def after_step(self, number: int, steps: int | None) -> None:
        """Look, where it is time to, and turn the knob.

        Args:
            number: of steps that are done.
            steps: of the whole training; None: it has no end, and the knob never rests.
        """
        every, progress = (APART, self.begin) if steps is None else (max(APART, steps // LOOKS), number / steps)
        if number % every or not self.begin <= progress < 1 - self.frozen:
            return
        error = max(-1.0, min(1.0, self._error(evaluate(self.sae, self.sample)[self.measure])))
        before = self.smooth
        self.smooth = error if before is None else MEMORY * before + (1 - MEMORY) * error
        if before is not None and before * self.smooth < 0 and abs(before - self.smooth) > CLOSE:
            self.gain *= CALMER
        else:
            self.gain = min(1.0, self.gain * BOLDER)
        change = 0.0 if before is None else self.smooth - before
        if abs(self.smooth - self.anchor[1]) > RESPONSE:
            self.anchor = [self.angle, self.smooth]
        proportional, integral = AT_ONCE if self.knob.of == "activation" else (PROPORTIONAL, INTEGRAL)
        turn = -self.knob.more * self.gain * (proportional * change + integral * self.smooth)
        turn = max(-WIDEST, min(WIDEST, turn))
        angle = max(self.anchor[0] - FUTILE, min(self.anchor[0] + FUTILE, self.angle + turn))
        if self.knob.whole:
            angle = self._between(angle, self.smooth, FADES if progress < 1 - 2 * FROZEN else 1.0)
        self._turn(angle)

    def _error(self, measured: float) -> float:
        """Positive where there are too many codes."""
        if self.measure == "explained_variance":
            return math.log((1 - self.aim) / max(1 - measured, 1e-12))
        return math.log(max(measured, 1e-12) / self.aim)

    def _between(self, angle: float, error: float, fades: float) -> float:
        """The angle, or that of the better one of two whole numbers between which the aim is."""
        here = round(self.value)
        self.seen = {whole: fades * seen for whole, seen in self.seen.items()} | {here: error}
        beside = here + (1 if angle > self.angle else -1)
        if self.seen.get(beside, 0.0) * error < 0:
            angle = math.log(min(here, beside, key=lambda whole: abs(self.seen[whole])))
        if round(math.exp(angle)) != here:
            self.smooth = None  # what is measured there is not mixed with this
        return angle

    def _beside(self) -> int | None:
        """The neighbour of a whole number where the aim is between the two."""
        here = round(self.value)
        seen = self.seen.get(here, 0.0)
        return next((n for n in (here - 1, here + 1) if self.knob.whole and self.seen.get(n, 0.0) * seen < 0), None)

    def _turn(self, angle: float) -> None:
        self.angle = max(self.low, min(self.high, angle))
        value = math.exp(self.angle)
        setattr(self.part, self.knob.attribute, round(value) if self.knob.whole else value)
        self.sae.architecture = _with(self.sae.architecture, self.knob.argument, self.value)

    def _check_range(self, sae: SAE) -> None:
        bound = {"l0": sae.n_latents, "mean_activity": sae.activation.bounds[1], "explained_variance": 1.0}[
            self.measure
        ]
        if not 0 < self.aim < bound and not self.aim == bound == sae.n_latents:
            reach = "above 0" if bound == math.inf else f"between 0 and {bound:g}"
            raise SparsightError(f"aim.{self.measure} is {self.aim:g}, and it can only be {reach}")

    def settled(self, quality: Mapping[str, float] | None = None, dead: int = 0) -> dict[str, Any]:
        """Where it settled, as a record with a sentence, `said`.

        Args:
            quality: the measures after training; None: measured now, on the samples of the looks.
            dead: how many features are, after training.
        """
        measured = (evaluate(self.sae, self.sample) if quality is None else quality)[self.measure]
        reached = abs(measured / self.aim - 1) <= CLOSE
        at = f"with architecture.{self.knob.argument} = {self.value:.4g}"
        if reached:
            said = f"{self.measure} is {measured:.4g} {at}, and {self.aim:g} was asked for"
        else:
            why = "it had not settled, and more train.epochs give it time"
            if self.angle in (self.low, self.high):
                why = "that is as far as it goes"
            elif abs(self.angle - self.anchor[0]) >= FUTILE:
                why = "to turn it further has no effect"
            elif (beside := self._beside()) is not None:
                why = f"with {beside} it was on the other side, and there is nothing between"
            said = f"{self.measure} is {measured:.4g} {at}, and {self.aim:g} was not reached: {why}"
        if dead > MANY_DEAD * self.sae.n_latents:
            said += f"; {dead} of {self.sae.n_latents} features are dead, which makes codes fewer too"
        return {
            "measure": self.measure,
            "aim": self.aim,
            "measured": measured,
            "reached": reached,
            "knob": self.knob.argument,
            "value": self.value,
            "said": said,
        }

    def state_dict(self) -> dict[str, Any]:
        """All that goes on changing."""
        names = ("angle", "smooth", "anchor", "gain")
        return {**{name: getattr(self, name) for name in names}, "seen": [list(item) for item in self.seen.items()]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to where `state_dict` was taken."""
        self.angle, self.smooth, self.gain = state["angle"], state["smooth"], state["gain"]
        self.anchor, self.seen = list(state["anchor"]), dict(state["seen"])
        self._turn(self.angle)


def _one(aim: Mapping[str, float]) -> tuple[str, float]:
    for name in aim:
        if name not in MEASURES:
            raise SparsightError(f"aim has no {name!r}; {did_you_mean(name, MEASURES)}")
    if len(aim) != 1:
        raise SparsightError(f"aim at one measure, of {', '.join(MEASURES)}: {len(aim)} are given")
    return next(iter(aim.items()))


def _knob(architecture: Architecture, sae: SAE) -> Knob:
    """The knob, where nothing else has set it."""
    name, knob = sae.architecture["name"], architecture.knob
    if knob is None:
        raise SparsightError(f"{name} has no knob that an aim could turn: leave aim out, or take another architecture")
    given, usual = _given(sae.architecture, knob.argument)
    if given != usual:
        raise SparsightError(
            f"architecture.{knob.argument} = {given!r} and an aim are both given, and each decides how sparse codes "
            "are: leave one of them out"
        )
    return knob


def _given(spec: Mapping[str, Any], path: str) -> tuple[Any, Any]:
    """What a spec says of an argument, and the default; `base.k` is that of its base."""
    argument, _, rest = path.partition(".")
    usual = knobs("architecture", spec["name"])[argument].default
    given = spec.get(argument, usual)
    return _given(_named(given), rest) if rest else (given, usual)


def _with(spec: Mapping[str, Any], path: str, value: float) -> dict[str, Any]:
    """A spec with this value of an argument."""
    argument, _, rest = path.partition(".")
    return {**spec, argument: _with(_named(spec[argument]), rest, value) if rest else value}


def _named(spec: str | Mapping[str, Any]) -> Mapping[str, Any]:
    return {"name": spec} if isinstance(spec, str) else spec
