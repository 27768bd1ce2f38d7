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
FROZEN = 0.2
"""The last share of training, in which the knob rests."""
PROPORTIONAL, INTEGRAL = 1.0, 0.4
WIDEST = 0.5
"""The largest turn at a look, as a logarithm; errors count up to 1."""
MEMORY = 0.5
"""The share of the past in the measure that is acted on."""
FUTILE, RESPONSE = math.log(1e4), 0.02
"""A knob that was turned 10,000-fold while the error moved by less than this has no effect and is left there."""


@final
class Controller:
    """Turns a knob of an architecture until a measure of the codes is where it should be.

    With θ = log knob and the error e = log(measure / aim), at each look

        θ ← θ − s (P (e − e before) + I e),  clipped,

    where s is 1 where more of the knob makes more codes and −1 elsewhere. For the explained variance, the error is that
    of what is left unexplained, log((1 − aim) / (1 − measure)). Measured are samples that the model is not trained on,
    always the same, in evaluation mode, smoothed over looks.

    For the last fifth of training the knob rests. All that changes is in `state_dict`; the SAE's own description says
    where the knob stands.

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
        self.begin = min(getattr(self.part, "warmup", 0.0), 1 - 2 * FROZEN)
        self.low, self.high = (math.log(b) for b in knob.bounds or (1, sae.n_latents))
        start = self.aim if knob.sets == self.measure else float(getattr(self.part, knob.attribute))
        self.angle = math.log(max(start, math.exp(self.low)))
        self.smooth: float | None = None
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
        if number % every or not self.begin <= progress < 1 - FROZEN:
            return
        error = max(-1.0, min(1.0, self._error(evaluate(self.sae, self.sample)[self.measure])))
        before = self.smooth
        self.smooth = error if before is None else MEMORY * before + (1 - MEMORY) * error
        change = 0.0 if before is None else self.smooth - before
        if abs(self.smooth - self.anchor[1]) > RESPONSE:
            self.anchor = [self.angle, self.smooth]
        turn = -self.knob.more * (PROPORTIONAL * change + INTEGRAL * self.smooth)
        turn = max(-WIDEST, min(WIDEST, turn))
        self._turn(max(self.anchor[0] - FUTILE, min(self.anchor[0] + FUTILE, self.angle + turn)))

    def _error(self, measured: float) -> float:
        """Positive where there are too many codes."""
        if self.measure == "explained_variance":
            return math.log((1 - self.aim) / max(1 - measured, 1e-12))
        return math.log(max(measured, 1e-12) / self.aim)

    def _turn(self, angle: float) -> None:
        self.angle = max(self.low, min(self.high, angle))
        value = math.exp(self.angle)
        setattr(self.part, self.knob.attribute, round(value) if self.knob.bounds is None else value)
        self.sae.architecture = {**self.sae.architecture, self.knob.argument: self.value}

    def _check_range(self, sae: SAE) -> None:
        bound = {"l0": sae.n_latents, "mean_activity": sae.activation.bounds[1], "explained_variance": 1.0}[
            self.measure
        ]
        if not 0 < self.aim < bound and not self.aim == bound == sae.n_latents:
            reach = "above 0" if bound == math.inf else f"between 0 and {bound:g}"
            raise SparsightError(f"aim.{self.measure} is {self.aim:g}, and it can only be {reach}")

    def settled(self, quality: Mapping[str, float] | None = None) -> dict[str, Any]:
        """Where it settled, as a record with a sentence, `said`.

        Args:
            quality: the measures after training; None: measured now, on the samples of the looks.
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
            elif self.knob.bounds is None:
                why = "the knob is a whole number, and more train.epochs give it time"
            said = f"{self.measure} is {measured:.4g} {at}, and {self.aim:g} was not reached: {why}"
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
        names = ("angle", "smooth", "anchor")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to where `state_dict` was taken."""
        for name, value in state.items():
            setattr(self, name, list(value) if isinstance(value, list) else value)
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
    given, usual = sae.architecture[knob.argument], knobs("architecture", name)[knob.argument].default
    if given != usual:
        raise SparsightError(
            f"architecture.{knob.argument} = {given!r} and an aim are both given, and each decides how sparse codes "
            "are: leave one of them out"
        )
    return knob
