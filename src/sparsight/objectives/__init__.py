"""What is wrong with somebody's own objective, found without training by calling it on crafted inputs."""

from collections.abc import Callable
from typing import Any

import numpy as np

from sparsight.core.findings import Finding
from sparsight.errors import SparsightError
from sparsight.objectives.function import Function
from sparsight.objectives.lines import Lines
from sparsight.objectives.loss import Loss, OfStep, OfTerms
from sparsight.objectives.measured import Measured
from sparsight.objectives.measures import measured_error, measured_penalty
from sparsight.objectives.opening import open_step
from sparsight.objectives.rules import findings
from sparsight.objectives.steps import measured_decay, measured_noise

__all__ = ["diagnose_objective"]

BATCH = 128
"""Samples in a batch, where nobody says."""


def diagnose_objective(
    fn: Callable[..., Any],
    *,
    parameters: Any = None,
    x: Any = None,
    n_inputs: int | None = None,
    n_latents: int | None = None,
    batch_size: int | None = None,
) -> list[Finding]:
    """What is wrong with a loss, the worst first; nothing is trained.

    fn is either a loss fn(x, codes, reconstruction), or a whole step fn(x, parameters) with its forward pass: a network
    with one hidden layer. It returns a number, or summands by name. Which of them it is, is read from the names of its
    arguments. It is called with torch's tensors or with NumPy's arrays, whichever it takes, always with copies and from
    the same random numbers.

    Its error and its penalty are set apart by inputs that change only one of them, and compared with
    E_b[ ½‖x̂_b − x_b‖² ] + β Σ_j KL(ρ ‖ E_b[ h_bj ]) + λ/2 Σ w² (UFLDL), in which a constant multiple of the whole is
    only another unit.

    Args:
        fn: the function.
        parameters: of a step: arrays or shapes, by name or in a list. Else they are the step's attribute `parameters`,
            the default of its argument, or guessed from the names that it asks for.
        x: ordinary samples, [N, D], of which a batch is taken; by default digits, or random numbers in [0, 1].
        n_inputs: D, by default that of x, of the parameters, or 784.
        n_latents: F, by default that of the parameters, or 200.
        batch_size: B, by default 128, or all of x where it has fewer samples.

    Raises:
        SparsightError: fn raises, returns no number, keeps something between calls, or takes other arguments.
    """
    function = Function(fn)
    samples = None if x is None else _samples(x)
    size = batch_size or (BATCH if samples is None else min(BATCH, len(samples)))
    width = n_inputs if samples is None else samples.shape[1]

    def batch(n: int) -> np.ndarray:
        rows = _usual(n) if samples is None else samples
        return rows[np.arange(size) % len(rows)]

    with function.undisturbed():
        loss: Loss
        if function.kind == "step":
            loss = open_step(function, parameters, batch, width, n_latents)
        else:
            loss = OfTerms(function, batch(width or 784), n_latents or 200)
        _check_steady(loss)
        broken = not np.isfinite(loss.ordinary)
        if broken and not isinstance(loss, OfStep):
            return [_broken(loss.ordinary)]
        error, penalty = measured_error(loss), measured_penalty(loss)
        step = loss if isinstance(loss, OfStep) else None
        measured = Measured(
            loss=loss,
            error=error,
            penalty=penalty,
            lines=Lines.of(function, () if step is None else tuple(step.matrices)),
            given_x=samples is not None,
            given_batch=batch_size is not None,
            decay=None if step is None else measured_decay(step, penalty.target),
            noise=None if step is None else measured_noise(step),
        )
        found = findings(measured)
        if broken:  # the rest would be about sums with something in them that is no number
            return [each for each in found if each.rule == "penalty-out-of-range"] or [_broken(loss.ordinary)]
        return found


def _check_steady(loss: Loss) -> None:
    """Refuse a function that gives something else when it is called again."""
    values = [loss.again() for _ in range(3)]
    if not np.allclose(values, values[0], rtol=1e-9, equal_nan=True):
        raise SparsightError(
            f"{loss.function.name} gives {values[0]:.6g} and then {values[-1]:.6g} for the same arrays and seed: it "
            "keeps something between calls, or draws from a generator that cannot be seeded: hand it in as an argument"
        )


def _broken(value: float) -> Finding:
    return Finding(
        rule="not-finite",
        id="D01",
        severity="red",
        said=f"The loss is {value} for ordinary samples and codes between .05 and .6.",
        cause="A logarithm or a root of something negative, or a division by 0.",
        fix="Print each summand alone; the one that is no number is at fault.",
    )


def _samples(x: Any) -> np.ndarray:
    try:
        rows = np.asarray(x, dtype=np.float64)
    except (TypeError, ValueError):
        raise SparsightError(f"x are samples as rows of numbers, and this is {type(x).__name__}") from None
    if rows.ndim != 2 or 0 in rows.shape or not np.isfinite(rows).all():
        raise SparsightError(
            f"x are samples as rows of finite numbers, [N, D], and these have the shape {list(rows.shape)}"
        )
    return rows


def _usual(width: int) -> np.ndarray:
    """Digits where samples are as wide as those, else random numbers in [0, 1]."""
    if width == 784:
        from sparsight.sources.digits import FILE

        with np.load(FILE) as file:
            return file["train_images"][:2000].reshape(-1, 784) / 255.0
    return np.random.default_rng(0).uniform(size=(2000, width)) ** 2
