"""JumpReLU: thresholds that are learnt."""

from typing import Annotated, Literal

from pydantic import Field

from sparsight.activations.jumprelu import JumpReLU, NonNegativeThresholds
from sparsight.core import Architecture, Knob, Term
from sparsight.errors import SparsightError
from sparsight.initialisations.directions import Data
from sparsight.layers.constraints import UnitRows
from sparsight.layers.linear import LinearDecoder, LinearEncoder
from sparsight.spec import register
from sparsight.terms.l0 import L0, L0Target, Tanh
from sparsight.terms.revival import AuxK, Nudge, Preactivation
from sparsight.terms.squared_error import SquaredError


@register("architecture", "jumprelu")
def jumprelu(
    *,
    penalty: Literal["step", "tanh", "quadratic"] = "step",
    sparsity: Annotated[float, Field(ge=0)] | None = None,
    target: Annotated[float, Field(gt=0)] | None = None,
    warmup: Annotated[float, Field(ge=0, le=1)] = 0.1,
    threshold: Annotated[float, Field(ge=0)] = 0.1,
    bandwidth: Annotated[float, Field(gt=0)] = 0.2,
    unit_rows: bool = True,
    auxk: Annotated[float, Field(ge=0)] = 1.0,
) -> Architecture:
    """Codes above a threshold that each feature learns, and a price on how many there are (Rajamanoharan et al. 2024).

    Weights of penalties are shares of the data's variance, thresholds and the bandwidth multiples of the size of
    pre-activations at the start: the defaults assume no scale of the data.

    Args:
        penalty: `step`: λ L0; `quadratic`: λ (L0 / target − 1)²; `tanh`: λ Σ_j tanh(4 codes_j ‖W_dec_j‖), with a
            pre-activation loss for dead features (Conerly et al., Anthropic, January 2025).
        sparsity: λ; None: 1e-3, and 5 for `quadratic`.
        target: how many features of a sample `quadratic` wants to fire; None: √D, and at most a quarter of them.
        warmup: the part of training over which λ rises from 0, lest features die at the start.
        threshold: where every θ starts.
        bandwidth: ε, the width of the straight-through gradient's rectangle.
        unit_rows: decoder rows have length 1.
        auxk: the weight of AuxK, which brings dead features back together with the nudge; 0 leaves both out.
    """
    if target is not None and penalty != "quadratic":
        raise SparsightError(f"the penalty {penalty!r} has no target: leave it out, or take penalty='quadratic'")
    weight = sparsity if sparsity is not None else 5.0 if penalty == "quadratic" else 1e-3
    kinds: dict[str, dict[str, Term]] = {
        "step": {"l0": L0(weight=weight, warmup=warmup)},
        "tanh": {"tanh": Tanh(weight=weight, warmup=warmup)},
        "quadratic": {"l0_target": L0Target(weight=weight, target=target, warmup=warmup)},
    }
    (name,) = kinds[penalty]
    knob = Knob(argument="sparsity", of=name)
    if penalty == "quadratic":
        knob = Knob(argument="target", of=name, attribute="target", more=1, bounds=None, sets="l0")
    nudge = {"preactivation": Preactivation(weight=auxk)} if penalty == "tanh" else {"nudge": Nudge()}
    return Architecture(
        encoder=LinearEncoder(),
        activation=JumpReLU(threshold=threshold, bandwidth=bandwidth),
        decoder=LinearDecoder(),
        error=SquaredError(),
        initialisation=Data(sparse=True),
        terms={**kinds[penalty], **({"auxk": AuxK(weight=auxk), **nudge} if auxk else {})},
        constraints=(NonNegativeThresholds(), *([UnitRows()] if unit_rows else [])),
        knob=knob,
    )
