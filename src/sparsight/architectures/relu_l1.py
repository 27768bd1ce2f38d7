"""ReLU with an L1 penalty."""

from typing import Annotated

from pydantic import Field

from sparsight.activations.relu import ReLU
from sparsight.core import Architecture, Knob
from sparsight.initialisations.directions import Data
from sparsight.layers.constraints import UnitRows
from sparsight.layers.linear import LinearDecoder, LinearEncoder
from sparsight.spec import register
from sparsight.terms.codes_l1 import CodesL1
from sparsight.terms.revival import AuxK, Nudge
from sparsight.terms.squared_error import SquaredError


@register("architecture", "relu_l1")
def relu_l1(
    *,
    l1: Annotated[float, Field(ge=0)] = 0.1,
    warmup: Annotated[float, Field(ge=0, le=1)] = 0.05,
    unit_rows: bool = True,
    auxk: Annotated[float, Field(ge=0)] = 1.0,
) -> Architecture:
    """Rectified codes, kept small by their sum (Bricken et al. 2023).

    Args:
        l1: the weight of E_b[ Σ_j |codes_bj| ‖W_dec_j‖ ] beside ½‖error‖².
        warmup: the part of training over which that weight rises from 0, lest features die at the start.
        unit_rows: decoder rows have length 1; else the penalty alone watches over them (Conerly et al. 2024).
        auxk: the weight of AuxK, which brings dead features back together with the nudge; 0 leaves both out.
    """
    revival = {"auxk": AuxK(weight=auxk), "nudge": Nudge()} if auxk else {}
    return Architecture(
        encoder=LinearEncoder(),
        activation=ReLU(),
        decoder=LinearDecoder(),
        error=SquaredError(),
        initialisation=Data(sparse=True),
        terms={"codes_l1": CodesL1(weight=l1, warmup=warmup), **revival},
        constraints=(UnitRows(),) if unit_rows else (),
        knob=Knob(argument="l1", of="codes_l1"),
    )
