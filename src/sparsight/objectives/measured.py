"""All that was measured of an objective."""

from dataclasses import dataclass

import numpy as np

from sparsight.objectives.lines import Lines
from sparsight.objectives.loss import Loss, OfStep
from sparsight.objectives.measures import Error, Penalty
from sparsight.objectives.steps import Decay, Noise

WEIGHT, DECAY = 3.0, 3e-3
"""UFLDL's weight of the divergence, and of weight decay, beside ½‖error‖² per sample."""
FAR, TOO_FAR = 10.0, 100.0
"""By how many times a weight is off to be doubtful, and to be wrong."""
FAINT, LOUD = 0.01, 5.0
"""Noise against the variance of the data, below and above which it does not serve."""
MENDED = ("architecture.kl=3.0", "terms.kl_per_activation.weight=0.0")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """All that rules see."""

    loss: Loss
    error: Error
    penalty: Penalty
    lines: Lines
    given_x: bool
    given_batch: bool
    decay: Decay | None = None
    noise: Noise | None = None

    @property
    def weight(self) -> float:
        """Of the divergence, beside one canonical error per sample."""
        return self.penalty.divergence / self.error.unit

    @property
    def step(self) -> OfStep | None:
        return self.loss if isinstance(self.loss, OfStep) else None

    @property
    def bounded(self) -> bool:
        """Whether its codes lie between two numbers, as far as a step shows them."""
        return self.step is not None and bool(np.isfinite(self.step.domain).all())
