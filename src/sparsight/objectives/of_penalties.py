"""What is wrong with a penalty of the codes: D01 to D05."""

from collections.abc import Iterator

import numpy as np

from sparsight.core.findings import Finding, Number
from sparsight.objectives.loss import ACTIVATIONS, Pattern
from sparsight.objectives.measured import FAR, MENDED, TOO_FAR, WEIGHT, Measured
from sparsight.objectives.measures import patterns
from sparsight.objectives.steps import share_of_gradient


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
            changes=MENDED,
        )
    elif p.over == "activations" and p.selective > 0 and p.exponent > 1.75:
        yield Finding(
            rule="penalty-spreads",
            id="D03",
            severity="amber",
            said="The penalty grows faster than the activation, so that selective codes cost more than codes that are "
            "always on a little.",
            numbers=(*numbers[1:], Number(name="power of the code", value=p.exponent, limit=1.75, null=1.0)),
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
            changes=MENDED if p.shape == "target" else (),
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
        rule="penalty-too-weak" if weak else "penalty-dominates",
        id="D02",
        severity="red" if abs(off) >= TOO_FAR else "amber",
        said=f"The penalty is {abs(off):,.0f} times too {'weak' if weak else 'strong'}: beside the error of one sample "
        f"its weight is {weight:.2g}, and {usual:.2g} is usual.",
        numbers=tuple(numbers),
        cause="Error and penalty are reduced differently, one by a sum and the other by a mean, so that the weight as "
        "it is written does not say how they compare.",
        fix=f"Take both per sample and as sums over inputs and features: {m.lines.error()}, and beside it {penalty}",
        changes=("architecture.kl=3.0",) if of_target else (),
    )


def shape(m: Measured) -> Iterator[Finding]:
    """D05, D04: half of a divergence, a penalty that rewards activity, codes that are no probabilities."""
    p = m.penalty
    if (p.shape in ("fewer", "more") and p.half) or p.shape == "more":
        yield Finding(
            rule="half-a-divergence" if p.half else "penalty-rewards-activity",
            id="D05",
            severity="red",
            said=f"The penalty is least where every code is {'1' if p.shape == 'more' else '0'}"
            + (
                ": it is half of a divergence, and has no minimum at the target."
                if p.half
                else ", so it rewards activity."
            ),
            numbers=tuple(
                Number(name=f"cost of codes of {a:g}", value=p.profile[a] - min(p.profile.values()))
                for a in p.profile
                if a in (0.1, 0.5, 0.9)
            ),
            cause="Of p log(p / q) + (1 − p) log((1 − p) / (1 − q)) one summand is missing."
            if p.half
            else "Its sign is wrong.",
            fix=f"Write both: {m.lines.divergence(0.1)}",
            changes=MENDED,
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
        rule="penalty-out-of-range",
        id="D04",
        severity="red" if broken else "amber",
        said=f"The penalty is a divergence of probabilities, and {step.activation} gives codes from {low:g} to {high:g}"
        + (", where it is no number." if broken else "; what is outside [0, 1] costs nothing more."),
        numbers=tuple(
            Number(name=name, value=end, limit=limit)
            for name, end, limit in (("least code", low, 0.0), ("greatest code", high, 1.0))
            if np.isfinite(end)
        ),
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
        elif not loss.finite(Pattern(column, usual.which)) or not loss.finite(
            Pattern(np.full_like(column, end), usual.which)
        ):
            broken[end] = False
    if not broken:
        return
    single = any(broken.values())
    at = " and at ".join(f"{end:g}" for end in broken)
    yield Finding(
        rule="nan-at-saturation",
        id="D01",
        severity="red" if single else "amber",
        said=f"Loss or gradient is no number where {'one code' if single else 'a whole feature'} is exactly {at}.",
        numbers=tuple(
            Number(name=f"codes of {end:g} that suffice", value=1.0 if broken[end] else float(len(loss.x)))
            for end in broken
        ),
        cause="log 0. A sigmoid is exactly 1 in float32 from about 17 on, and exactly 0 below −104.",
        fix=f"Hold the mean activity away from 0 and 1: `q = {m.lines.mean_activity()}`. In float32, 1 − 1e-8 is 1.",
        changes=MENDED if single else (),
    )


def _short(value: float) -> float:
    return float(f"{value:.3g}")
