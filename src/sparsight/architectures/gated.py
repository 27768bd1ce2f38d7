"""Gated: whether a feature fires, and how much."""

from typing import Annotated

from pydantic import Field

from sparsight.activations.gated import Gated
from sparsight.core import Architecture, Knob
from sparsight.initialisations.directions import Data
from sparsight.layers.constraints import UnitRows
from sparsight.layers.linear import LinearDecoder, LinearEncoder
from sparsight.spec import register
from sparsight.terms.gate import GateError, GateL1
from sparsight.terms.revival import AuxK, Nudge
from sparsight.terms.squared_error import SquaredError


@register("architecture", "gated")
def gated(
    *,
    l1: Annotated[float, Field(ge=0)] = 0.1,
    warmup: Annotated[float, Field(ge=0, le=1)] = 0.05,
    unit_rows: bool = True,
    auxk: Annotated[float, Field(ge=0)] = 1.0,
) -> Architecture:
    """Codes behind a gate: the penalty is on the gate, so that it does not shrink them (Rajamanoharan et al. 2024).

    Args:
        l1: the weight of E_b[ Σ_j max(pre_bj, 0) ‖W_dec_j‖ ], beside ½‖error‖² and the same error of the gate alone.
        warmup: the part of training over which that weight rises from 0, lest features die at the start.
        unit_rows: decoder rows have length 1.
        auxk: the weight of AuxK, which brings dead features back together with the nudge; 0 leaves both out.
    """
    revival = {"auxk": AuxK(weight=auxk), "nudge": Nudge()} if auxk else {}
    return Architecture(
        encoder=LinearEncoder(),
        activation=Gated(),
        decoder=LinearDecoder(),
        error=SquaredError(),
        initialisation=Data(sparse=True),
        terms={"gate_l1": GateL1(weight=l1, warmup=warmup), "gate_error": GateError(), **revival},
        knob=Knob(argument="l1", of="gate_l1"),
        constraints=(UnitRows(),) if unit_rows else (),
    )
