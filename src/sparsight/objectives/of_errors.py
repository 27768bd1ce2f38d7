"""What is wrong with an error, and with the loss as a whole: D13, D16, D24, D30, D33."""

from collections.abc import Iterator

import numpy as np

from sparsight.core.findings import Finding, Number, Severity
from sparsight.objectives.measured import Measured

ALIKE = 0.25
"""Twice the samples give twice a sum and once a mean: what is between them by so much is neither."""


def batch(m: Measured) -> Iterator[Finding]:
    """D24, D13: a loss that depends on the batch size; a batch in which the target says nothing."""
    e, p = m.error, m.penalty
    error = _ratio(e.unit_twice, e.unit)
    numbers = [
        Number(name=f"the {name} of every sample twice", value=ratio, limit=None, null=1.0, about="against once")
        for name, ratio in (("error", error), ("penalty", p.twice))
        if np.isfinite(ratio)
    ]
    known = [number.value for number in numbers]
    apart = len(known) == 2 and not np.isclose(*known, rtol=ALIKE)
    if any(not np.isclose(ratio, 1, rtol=ALIKE) for ratio in known):
        yield Finding(
            rule="batch-size-in-the-weights" if apart else "summed-loss",
            id="D24",
            severity="red" if apart else "amber",
            said="Error and penalty grow differently with the batch size, so another batch size is another weight."
            if apart
            else "The loss is a sum over the batch, so another batch size is another learning rate.",
            numbers=tuple(numbers),
            cause="One of them is a sum over samples and the other a mean, or is divided by the batch size once more."
            if apart
            else "It is a sum over samples and not their mean.",
            fix=f"Take means over samples and sums over inputs and features: {m.lines.error()}",
        )
    n = len(m.loss.x)
    if m.given_batch and p.shape == "target" and p.over == "features" and n * p.target < 10:
        yield Finding(
            rule="small-batch",
            id="D13",
            severity="amber",
            said=f"A batch of {n} is small for a mean activity of {p.target:.3g}: {n * p.target:.1f} samples of it are "
            "on, and the mean is noise.",
            numbers=(Number(name="batch size × target", value=n * p.target, limit=10.0),),
            cause="The divergence is taken of a mean over too few samples.",
            fix=f"Take batches of {np.ceil(10 / p.target):.0f} or more, or a moving average of the mean activity.",
            changes=(f"train.batch_size={np.ceil(10 / p.target):.0f}",),
        )


def errors(m: Measured) -> Iterator[Finding]:
    """D16, D30: an error that does not fit the data, or is no error."""
    e, x = m.error, m.loss.x
    low, high = float(x.min()), float(x.max())
    about = "of the samples x" if m.given_x else "of the digits that stand for your samples"
    span = (Number(name="least input", value=low, about=about), Number(name="greatest input", value=high, about=about))

    def found(
        rule: str, severity: Severity, said: str, cause: str, fix: str, *numbers: Number, changes: tuple = ()
    ) -> Finding:
        return Finding(
            rule=rule,
            id="D30" if rule == "linear-output" else "D16",
            severity=severity,
            said=said,
            cause=cause,
            fix=fix,
            numbers=numbers,
            changes=changes,
        )

    if not e.reacts:
        yield found(
            "no-error", "red", "The loss does not change with the reconstruction.",
            "The error is missing, or is cut off from the reconstruction.", f"Add {m.lines.error()}",
        )  # fmt: skip
    if e.kind is None:
        return
    if e.unit < 0:
        yield found(
            "error-rewarded", "red", "The loss falls when the reconstruction gets worse.", "The error's sign is wrong.",
            f"Write {m.lines.error()}", Number(name="unit of the error", value=e.unit, limit=0.0, null=1.0),
        )  # fmt: skip
    if e.kind == "softmax":
        yield found(
            "softmax-over-inputs", "red",
            "The error is the cross-entropy of a softmax over inputs, which is not least where x is rebuilt.",
            "A softmax makes the inputs of one sample share one unit of probability, as if one pixel could be on.",
            f"Take {m.lines.error()}, or one cross-entropy for each input with a sigmoid.",
        )  # fmt: skip
    if e.kind.startswith("cross-entropy") and m.given_x and (low < 0 or high > 1):
        yield found(
            "output-range", "red",
            f"The error is a cross-entropy, and the samples go from {low:.3g} to {high:.3g}.",
            "A cross-entropy is for inputs between 0 and 1; outside it has no least value.",
            f"Scale the samples to [0, 1], or take {m.lines.error()}", *span,
        )  # fmt: skip
    if m.bounded and e.output == "identity" and low >= 0 and high <= 1:
        yield found(
            "linear-output", "amber",
            "The output is linear and the samples lie in [0, 1], so that codes must also explain where they end.",
            "Nothing holds the reconstruction between 0 and 1.",
            f"Put a sigmoid at the output: `{m.lines.recon} = sigmoid(...)`.", *span, changes=("output=sigmoid",),
        )  # fmt: skip


def inputs(m: Measured) -> Iterator[Finding]:
    """D33: what was handed in comes back changed."""
    if m.loss.function.changes_inputs:
        yield Finding(
            rule="inputs-changed",
            id="D33",
            severity="red",
            said="The function changes the arrays that it is given.",
            numbers=(),
            cause="Something is done in place, such as `x += noise` or `h.clamp_()`.",
            fix="Write `x = x + noise`, which makes a new array.",
        )


def _ratio(twice: float, once: float) -> float:
    return twice / once if once else np.nan
