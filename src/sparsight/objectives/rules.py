"""From measures to findings: what is wrong with an objective, why, and the line to write instead."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sparsight.core.findings import Finding, Number, Severity
from sparsight.objectives.lines import Lines
from sparsight.objectives.loss import ACTIVATIONS, Loss, OfStep, Pattern
from sparsight.objectives.measures import Error, Penalty, patterns
from sparsight.objectives.steps import Decay, Noise, share_of_gradient

WEIGHT, DECAY = 3.0, 3e-3
"""UFLDL's weight of the divergence, and of weight decay, beside ½‖error‖² per sample."""
FAR, TOO_FAR = 10.0, 100.0
"""By how many times a weight is off to be doubtful, and to be wrong."""
FAINT, LOUD = 0.01, 5.0
"""Noise against the variance of the data, below and above which it does not serve."""
_MENDED = ("architecture.kl=3.0", "terms.kl_per_activation.weight=0.0")


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


def findings(m: Measured) -> list[Finding]:
    """What all rules find, the worst first."""
    found = [each for rule in RULES for each in rule(m)]
    return sorted(found, key=lambda each: each.severity != "red")


def means(m: Measured) -> Iterator[Finding]:
    """D03: the divergence of something else than each feature's mean activity."""
    p = m.penalty
    numbers = (
        Number(name="target", value=_short(p.target), about="the activity at which constant codes cost least"),
        Number(
            name="selective codes cost",
            value=p.selective,
            limit=0.1 * p.curved,
            null=0.0,
            about="above constant codes with the same mean for each feature",
        ),
    )
    mended = f"Take the mean over samples first: {m.lines.divergence(_short(p.target))}"
    if p.over == "activations" and p.shape == "target":
        yield Finding(
            rule="penalty-per-activation",
            id="D03",
            severity="red",
            said=f"The penalty is taken of every activation and not of each feature's mean: codes that are "
            f"{p.target:.3g} for every sample cost least, and selective codes with the same mean cost more.",
            numbers=numbers,
            cause="It punishes what a sparse code is: silent for most samples and loud for a few.",
            fix=mended,
            changes=_MENDED,
        )
    elif p.over == "activations" and p.selective > 0:
        yield Finding(
            rule="penalty-spreads",
            id="D03",
            severity="amber",
            said="The penalty grows faster than the activation, so that selective codes cost more than codes that are "
            "always on a little.",
            numbers=numbers[1:],
            cause="A penalty that is convex in each activation, such as its square, spreads activity over samples.",
            fix=f"Take the absolute value, {m.lines.absolute('l1')}, or a divergence of each feature's mean.",
        )
    elif p.over in ("samples", "all codes"):
        wrong = "over features" if p.over == "samples" else "over samples and features at once"
        yield Finding(
            rule="penalty-wrong-axis",
            id="D03",
            severity="red" if p.over == "samples" else "amber",
            said=f"The penalty's mean is taken {wrong}, so that codes of which the same features are always on cost "
            "nothing more.",
            numbers=(*numbers, Number(name="the same features always on cost", value=p.spread, null=0.0)),
            cause="The mean is along the wrong axis: with codes [B, F] it is over the first, the samples.",
            fix=mended if p.shape == "target" else f"Take the mean along axis 0: `{m.lines.mean_activity()}`.",
            changes=_MENDED if p.shape == "target" else (),
        )


def scale(m: Measured) -> Iterator[Finding]:
    """D02: a weight that means nothing beside the error, or leaves nothing of it."""
    p, e = m.penalty, m.error
    if not (e.kind and e.unit > 0) or p.shape not in ("target", "fewer"):
        return
    n, n_latents = len(m.loss.x), m.loss.n_latents
    of_target = np.isfinite(p.divergence)
    if not of_target and not np.isfinite(p.slope):
        return
    unit = p.divergence if of_target else p.slope
    weight = unit / e.unit
    size = float(np.sqrt(np.square(m.loss.x).sum(1).mean()))
    usual = WEIGHT if of_target else 1e-3 * size
    if unit <= 0:
        return
    off = usual / weight if weight < usual else -weight / (usual if of_target else size / 30)
    if abs(off) < FAR:
        return
    weak = off > 0
    formula = f"Σ_j KL({p.target:.3g} ‖ mean_b codes_bj)" if of_target else "E_b[ Σ_j |codes_bj| ]"
    numbers = [
        Number(
            name="weight",
            value=weight,
            limit=usual / FAR if weak else weight * FAR / abs(off),
            about=f"of {formula}, beside ½‖error‖² per sample, at {n} samples and {n_latents} features",
        ),
        Number(name="times too weak" if weak else "times too strong", value=abs(off), limit=FAR, null=1.0),
        Number(name="unit of the error", value=e.unit, null=1.0, about="times E_b[ ½‖error‖² ], or its cross-entropy"),
        Number(name="unit of the penalty", value=unit, about=f"times {formula}"),
    ]
    if m.step is not None and m.decay is not None:
        share = share_of_gradient(m.step, m.decay)
        if np.isfinite(share):
            numbers.append(
                Number(name="share of the encoder's gradient", value=share, limit=0.03, about="at Glorot's start, on x")
            )
    penalty = m.lines.divergence(_short(p.target)) if of_target else m.lines.absolute(f"{10 * usual:.2g}")
    yield Finding(
        rule="penalty-too-weak" if weak else "penalty-too-strong",
        id="D02",
        severity="red" if abs(off) >= TOO_FAR else "amber",
        said=f"The penalty is {abs(off):,.0f} times too {'weak' if weak else 'strong'}: beside the error of one sample its "
        f"weight is {weight:.2g}, and {usual:.2g} is usual.",
        numbers=tuple(numbers),
        cause="Error and penalty are reduced differently, one by a sum and the other by a mean, so that the weight as it "
        "is written does not say how they compare.",
        fix=f"Take both per sample and as sums over inputs and features: {m.lines.error()}, and beside it {penalty}",
        changes=("architecture.kl=3.0",) if of_target else (),
    )


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
    apart = len(known) == 2 and not np.isclose(*known, rtol=0.05)
    if any(not np.isclose(ratio, 1, rtol=0.05) for ratio in known):
        yield Finding(
            rule="batch-size-in-the-weights" if apart else "summed-loss",
            id="D24",
            severity="red" if apart else "amber",
            said="Error and penalty grow differently with the batch size, so another batch size is another weight."
            if apart
            else "The loss is a sum over the batch, so another batch size is another learning rate.",
            numbers=tuple(numbers),
            cause="One of them is a sum over samples and the other a mean, or is divided by the batch size once too often."
            if apart
            else "It is a sum over samples and not their mean.",
            fix=f"Take means over samples and sums over inputs and features: {m.lines.error()}",
        )
    n = len(m.loss.x)
    if m.given_batch and p.shape == "target" and p.over == "features" and n * p.target < 10:
        yield Finding(
            rule="batch-too-small-for-target",
            id="D13",
            severity="amber",
            said=f"A batch of {n} is small for a mean activity of {p.target:.3g}: {n * p.target:.1f} samples of it are "
            "on, and the mean is noise.",
            numbers=(Number(name="batch size × target", value=n * p.target, limit=10.0),),
            cause="The divergence is taken of a mean over too few samples.",
            fix=f"Take batches of {np.ceil(10 / p.target):.0f} or more, or a moving average of the mean activity.",
            changes=(f"train.batch_size={np.ceil(10 / p.target):.0f}",),
        )


def shape(m: Measured) -> Iterator[Finding]:
    """D05, D04: half of a divergence, a penalty that rewards activity, codes that are no probabilities."""
    p = m.penalty
    if p.shape in ("fewer", "more") and p.half or p.shape == "more":
        yield Finding(
            rule="half-a-divergence" if p.half else "penalty-rewards-activity",
            id="D05",
            severity="red",
            said=f"The penalty is least where every code is {'1' if p.shape == 'more' else '0'}"
            + (": it is half of a divergence, and has no minimum at the target." if p.half else ", so it rewards activity."),
            numbers=tuple(
                Number(name=f"cost of codes of {a:g}", value=p.profile[a] - min(p.profile.values()))
                for a in p.profile
                if a in (0.1, 0.5, 0.9)
            ),
            cause="Of p log(p / q) + (1 − p) log((1 − p) / (1 − q)) one summand is missing."
            if p.half
            else "Its sign is wrong.",
            fix=f"Write both: {m.lines.divergence(0.1)}",
            changes=_MENDED,
        )
    step = m.step
    if step is None or step.activation is None or p.shape != "target" or not np.isfinite(p.divergence):
        return
    low, high = ACTIVATIONS[step.activation][2]
    outside = [a for a in (-0.5, 1.5) if low < a < high]
    if not outside or min(p.profile) < 0:
        return
    costs = [step.penalty(Pattern(np.full((1, step.n_latents), a), np.zeros(len(step.x), dtype=int))) for a in outside]
    broken = any(cost is None or not np.isfinite(cost) for cost in costs)
    yield Finding(
        rule="codes-are-no-probabilities",
        id="D04",
        severity="red" if broken else "amber",
        said=f"The penalty is a divergence of probabilities, and {step.activation} gives codes from {low:g} to {high:g}"
        + (", where it is no number." if broken else "; what is outside [0, 1] costs nothing more."),
        numbers=(Number(name="least code", value=low, limit=0.0), Number(name="greatest code", value=high, limit=1.0)),
        cause="log(q) and log(1 − q) are for a q between 0 and 1.",
        fix=f"Make codes by a sigmoid, or take another penalty, such as {m.lines.absolute('l1')}",
        changes=("architecture.name=sigmoid_kl",),
    )


def saturation(m: Measured) -> Iterator[Finding]:
    """D01: no number where a code is exactly 0 or 1."""
    loss, p = m.loss, m.penalty
    if p.shape == "none" and not p.profile:
        return
    low, high = loss.domain
    ends = [end for end in (low, high) if np.isfinite(end)]
    mean = p.target if p.shape == "target" else 0.1
    usual = patterns(loss, mean, (low, high) if m.bounded else (0.0, 1.0))["selective"]
    if not loss.finite(usual):
        return
    broken: dict[float, bool] = {}
    for end in ends:
        one, column = usual.rows.copy(), usual.rows.copy()
        one[0, 0], column[:, 0] = end, end
        if not loss.finite(Pattern(one, usual.which)):
            broken[end] = True
        elif not loss.finite(Pattern(column, usual.which)) or not loss.finite(Pattern(np.full_like(column, end), usual.which)):
            broken[end] = False
    if not broken:
        return
    single = any(broken.values())
    at = " and at ".join(f"{end:g}" for end in broken)
    yield Finding(
        rule="nan-at-saturation",
        id="D01",
        severity="red" if single else "amber",
        said=f"The loss or its gradient is no number where {'one code' if single else 'a whole feature'} is exactly {at}.",
        numbers=tuple(Number(name=f"codes of {end:g} that suffice", value=1.0 if broken[end] else float(len(loss.x)))
                      for end in broken),
        cause="log 0. A sigmoid is exactly 1 in float32 from about 17 on, and exactly 0 below −104.",
        fix=f"Hold the mean activity away from 0 and 1: `q = {m.lines.mean_activity()}`. In float32, 1 − 1e-8 is 1.",
        changes=_MENDED if single else (),
    )


def errors(m: Measured) -> Iterator[Finding]:
    """D16: an error that does not fit the data, or is no error."""
    e, x = m.error, m.loss.x
    low, high = float(x.min()), float(x.max())
    about = "of the samples x" if m.given_x else "of the digits that stand for your samples"
    span = (Number(name="least input", value=low, about=about), Number(name="greatest input", value=high, about=about))

    def found(rule: str, severity: Severity, said: str, cause: str, fix: str, *numbers: Number, changes: tuple = ()) -> Finding:
        return Finding(
            rule=rule, id="D16", severity=severity, said=said, cause=cause, fix=fix, numbers=numbers, changes=changes
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
            "The error is the cross-entropy of a softmax over inputs, which is not least where the reconstruction is x.",
            "A softmax makes the inputs of one sample share one unit of probability, as if one pixel could be on.",
            f"Take {m.lines.error()}, or one cross-entropy for each input with a sigmoid.",
        )  # fmt: skip
    if e.kind.startswith("cross-entropy") and m.given_x and (low < 0 or high > 1):
        yield found(
            "cross-entropy-out-of-range", "red",
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


def decays(m: Measured) -> Iterator[Finding]:
    """D08, D07: no weight decay, too much, or one that reaches biases."""
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
            id="D08",
            severity="amber",
            said="Nothing decays the weights."
            if none
            else f"Weight decay is {DECAY / of_weights:,.0f} times weaker than is usual, and does nothing.",
            numbers=(number,),
            cause="Weights of inputs that hardly vary keep the noise that they started with, and filters look like it. An "
            "optimiser's own decay is not seen here.",
            fix=f"Add {m.lines.decay()} to a loss per sample, for weights and not for biases.",
            changes=("architecture.decay=3e-3",),
        )
    if np.isfinite(unit) and not d.absolute and of_weights > FAR * DECAY:
        yield Finding(
            rule="decay-too-strong",
            id="D07",
            severity="red" if of_weights > TOO_FAR * DECAY else "amber",
            said=f"Weight decay is {of_weights / DECAY:,.0f} times as strong as is usual: features become the same blob.",
            numbers=(Number(name="weight decay", value=of_weights, limit=FAR * DECAY, about=number.about),),
            cause="Beside the error of one sample, decay decides what the weights are.",
            fix=f"Add {m.lines.decay()} to a loss per sample.",
            changes=("architecture.decay=3e-3",),
        )
    if d.absolute and m.penalty.shape == "none" and m.step is not None and m.step.activation in ("sigmoid", "relu"):
        yield Finding(
            rule="weights-for-codes",
            id="D29",
            severity="amber",
            said="Absolute weights are penalised, and codes are not: that makes weights sparse.",
            numbers=(Number(name="λ of λ Σ |w|", value=of_weights, null=0.0),),
            cause="A unit with one weight can be on in every sample.",
            fix=f"Penalise the codes: {m.lines.absolute('l1')}, or {m.lines.divergence(0.1)}",
        )
    biases = {"encoder": d.encoder_bias, "decoder": m.error.bias_decay}
    decayed = {name: value for name, value in biases.items() if np.isfinite(value) and value > 0.01 * d.of_weights > 0}
    if decayed:
        yield Finding(
            rule="biases-decayed",
            id="D30",
            severity="amber",
            said=f"The {' and the '.join(decayed)}'s bias is decayed as weights are.",
            numbers=tuple(Number(name=f"decay of the {name}'s bias", value=v, limit=0.0) for name, v in decayed.items()),
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
            rule="noise-too-weak" if faint else "noise-too-strong",
            id="D22",
            severity="amber",
            said=f"Noise of a standard deviation of {noise.std:.2g} is {ratio:.2g} of the variance of "
            f"{'x' if m.given_x else 'digits'}: {'it does nothing' if faint else 'little is left of the samples'}.",
            numbers=(
                Number(name="noise / variance", value=ratio, limit=FAINT if faint else LOUD, about="σ² D / Σ_i var(x_i)"),
                Number(name="standard deviation", value=noise.std, null=0.0),
            ),
            cause="Only noise that hides something makes features that hold several inputs together.",
            fix=f"Take .1 to .5 for samples in [0, 1], `{m.lines.noise()}`, or hide a quarter of the inputs.",
            changes=("corruption.std=0.3",),
        )


def inputs(m: Measured) -> Iterator[Finding]:
    """D31: what was handed in comes back changed."""
    if m.loss.function.changes_inputs:
        yield Finding(
            rule="inputs-changed",
            id="D31",
            severity="red",
            said="The function changes the arrays that it is given.",
            numbers=(),
            cause="Something is done in place, such as `x += noise` or `h.clamp_()`.",
            fix="Write `x = x + noise`, which makes a new array.",
        )


RULES = (means, scale, saturation, shape, batch, errors, decays, noises, inputs)


def _ratio(twice: float, once: float) -> float:
    return twice / once if once else np.nan


def _short(value: float) -> float:
    return float(f"{value:.3g}")
