"""Matching pursuit: features picked one after the other."""

from typing import Annotated

from pydantic import Field

from sparsight.activations.pursuit import Pursuit
from sparsight.core import Architecture, Knob
from sparsight.initialisations.directions import Data
from sparsight.layers.constraints import UnitRows
from sparsight.layers.linear import LinearDecoder, LinearEncoder
from sparsight.spec import register
from sparsight.terms.revival import AuxK
from sparsight.terms.squared_error import SquaredError


@register("architecture", "matching_pursuit")
def matching_pursuit(
    *,
    k: Annotated[int, Field(ge=1)] | None = None,
    tolerance: Annotated[float, Field(ge=0)] = 0.0,
    repeat: bool = True,
    auxk: Annotated[float, Field(ge=0)] = 1.0,
) -> Architecture:
    """k steps, each of which takes the feature most like what is left over away (Mallat & Zhang 1993).

    Filters are the decoder's rows, of length 1, and there is no bias but `b_dec` (Costa et al. 2025). What a feature
    explains, features like it no longer see: unlike TopK it can pick one of several that are much alike.

    Args:
        k: how many steps, and at most how many codes; None: √D, and at most a quarter of the features.
        tolerance: stop as well once ‖what is left over‖ is below this.
        repeat: go on after a step that picks a feature again.
        auxk: the weight of the term that brings dead features back.
    """
    return Architecture(
        encoder=LinearEncoder(tied=True, bias=False),
        activation=Pursuit(k=k, tolerance=tolerance, repeat=repeat),
        decoder=LinearDecoder(),
        error=SquaredError(),
        initialisation=Data(),
        terms={"auxk": AuxK(weight=auxk)} if auxk else {},
        constraints=(UnitRows(),),
        knob=Knob(argument="k", of="activation", attribute="k", more=1, bounds=None, whole=True, sets="l0"),
    )
