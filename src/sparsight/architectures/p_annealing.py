"""ReLU with a penalty that turns from the size of the codes to their number."""

from typing import Annotated

from pydantic import Field

from sparsight.activations.relu import ReLU
from sparsight.core import Architecture, Knob
from sparsight.initialisations.directions import Data
from sparsight.layers.constraints import UnitRows
from sparsight.layers.linear import LinearDecoder, LinearEncoder
from sparsight.spec import register
from sparsight.terms.codes_lp import CodesLp, Share
from sparsight.terms.revival import AuxK, Nudge
from sparsight.terms.squared_error import SquaredError


@register("architecture", "p_annealing")
def p_annealing(
    *,
    lp: Annotated[float, Field(ge=0)] = 0.1,
    p_end: Annotated[float, Field(gt=0, le=1)] = 0.2,
    start: Share = 0.1,
    end: Share = 0.6,
    warmup: Share = 0.05,
    auxk: Annotated[float, Field(ge=0)] = 1.0,
) -> Architecture:
    """Rectified codes, kept small by Σ_j |codes_j|^p with p falling from 1 during training (Karvonen et al. 2024).

    Args:
        lp: the weight of that sum, rescaled so that it stays the weight of an L1 norm beside ½‖error‖².
        p_end: where p ends.
        start: the share of training that is done where p begins to fall,
        end: and where it has arrived.
        warmup: the part of training over which the weight rises from 0, lest features die at the start.
        auxk: the weight of AuxK, which brings dead features back together with the nudge; 0 leaves both out.
    """
    penalty = CodesLp(weight=lp, p_end=p_end, start=start, end=end, warmup=warmup)
    revival = {"auxk": AuxK(weight=auxk), "nudge": Nudge()} if auxk else {}
    return Architecture(
        encoder=LinearEncoder(),
        activation=ReLU(),
        decoder=LinearDecoder(),
        error=SquaredError(),
        initialisation=Data(sparse=True),
        terms={"codes_lp": penalty, **revival},
        constraints=(UnitRows(),),
        knob=Knob(argument="lp", of="codes_lp"),
    )
