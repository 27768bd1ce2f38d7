"""What is wrong with a step beside its loss: D07, D21, D22, D29, D31, D32."""

from collections.abc import Iterator

import numpy as np

from sparsight.core.findings import Finding, Number
from sparsight.objectives.measured import DECAY, FAINT, FAR, LOUD, TOO_FAR, Measured


def decays(m: Measured) -> Iterator[Finding]:
    """D29, D07, D31, D32: no weight decay, too much, or one that reaches biases."""
    d = m.decay
    if d is None or not np.isfinite(d.of_weights):
        return
    unit = m.error.unit if m.error.kind and m.error.unit > 0 else np.nan
    of_weights = d.of_weights / unit if np.isfinite(unit) else d.of_weights
    number = Number(
        name="weight decay", value=of_weights, limit=DECAY / TOO_FAR, about="λ of λ/2 Σ w², beside ½‖error‖² per sample"
    )
    if m.bounded and not d.absolute and (d.of_weights == 0 or of_weights < DECAY / TOO_FAR):
        none = d.of_weights == 0
        yield Finding(
            rule="no-weight-decay",
            id="D29",
            severity="amber",
            said="Nothing decays the weights."
            if none
            else f"Weight decay is {DECAY / of_weights:,.0f} times weaker than is usual, and does nothing.",
            numbers=(number,),
            cause="Weights of inputs that hardly vary keep the noise that they started with, and filters look like it. "
            "An optimiser's own decay is not seen here.",
            fix=f"Add {m.lines.decay()} to a loss per sample, for weights and not for biases.",
            changes=("architecture.decay=3e-3",),
        )
    if np.isfinite(unit) and of_weights > FAR * DECAY:
        yield Finding(
            rule="filters-collapsed",
            id="D07",
            severity="red" if of_weights > TOO_FAR * DECAY else "amber",
            said=f"Weight decay is {of_weights / DECAY:,.0f} times too strong: features become the same blob.",
            numbers=(Number(name="weight decay", value=of_weights, limit=FAR * DECAY, about=number.about),),
            cause="Beside the error of one sample, decay decides what the weights are.",
            fix=f"Add {m.lines.decay()} to a loss per sample.",
            changes=("architecture.decay=3e-3",),
        )
    if d.absolute and m.penalty.shape == "none" and m.step is not None and m.step.activation in ("sigmoid", "relu"):
        yield Finding(
            rule="weights-for-codes",
            id="D31",
            severity="amber",
            said="Absolute weights are penalised, and codes are not: that makes weights sparse.",
            numbers=(Number(name="λ of λ Σ |w|", value=d.absolute, null=0.0),),
            cause="A unit with one weight can be on in every sample.",
            fix=f"Penalise the codes: {m.lines.absolute('l1')}, or {m.lines.divergence(0.1)}",
        )
    biases = {"encoder": d.encoder_bias, "decoder": m.error.bias_decay}
    decayed = {name: value for name, value in biases.items() if np.isfinite(value) and value > 0.01 * d.of_weights > 0}
    if decayed:
        yield Finding(
            rule="biases-decayed",
            id="D32",
            severity="amber",
            said=f"The {' and the '.join(decayed)}'s bias is decayed as weights are.",
            numbers=tuple(
                Number(name=f"decay of the {name}'s bias", value=v, limit=0.0) for name, v in decayed.items()
            ),
            cause="A unit with a mean activity of .1 has a bias near −2.2, and decay draws it to 0, where it is .5.",
            fix=f"Decay the weights alone: {m.lines.decay()}",
        )


def noises(m: Measured) -> Iterator[Finding]:
    """D21, D22: noise that cannot be switched off, is shared by the batch, or does nothing."""
    noise, step = m.noise, m.step
    if noise is None or step is None:
        return
    if step.still is None:
        yield Finding(
            rule="noise-in-use",
            id="D21",
            severity="amber",
            said="Two calls differ, and the step has no argument that switches its noise off.",
            numbers=(),
            cause="The cost of test samples is then that of noisy ones, as are codes made in the same way.",
            fix=f"Take `training=True` as an argument, and encode `{m.lines.noise()} if training else {m.lines.x}`.",
        )
    if noise.shared:
        yield Finding(
            rule="noise-shared",
            id="D22",
            severity="amber",
            said="The whole batch has one vector of noise: identical samples in a batch get identical gradients.",
            numbers=(Number(name="vectors of noise in a batch", value=1.0, null=float(len(step.x))),),
            cause="Its shape is that of one sample and is broadcast, so it does not average out over the batch.",
            fix=f"Draw it in the shape of the batch: `{m.lines.noise()}`.",
        )
    variance = float(step.x.var(0).mean())
    ratio = noise.std**2 / variance if variance > 0 else np.nan
    if np.isfinite(ratio) and not noise.masks and not FAINT <= ratio <= LOUD:
        faint = ratio < FAINT
        yield Finding(
            rule="noise-strength",
            id="D22",
            severity="amber",
            said=f"Noise of a standard deviation of {noise.std:.2g} is {ratio:.2g} of the variance of "
            f"{'x' if m.given_x else 'digits'}: {'it does nothing' if faint else 'little is left of the samples'}.",
            numbers=(
                Number(
                    name="noise / variance", value=ratio, limit=FAINT if faint else LOUD, about="σ² D / Σ_i var(x_i)"
                ),
                Number(name="standard deviation", value=noise.std, null=0.0),
            ),
            cause="Only noise that hides something makes features that hold several inputs together.",
            fix=f"Take .1 to .5 for samples in [0, 1], `{m.lines.noise()}`, or hide a quarter of the inputs.",
            changes=("corruption.std=0.3",),
        )
