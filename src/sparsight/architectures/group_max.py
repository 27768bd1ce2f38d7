"""GroupMax: selection within groups."""

from typing import Annotated

from pydantic import Field

from sparsight.activations.group_max import GroupMax
from sparsight.architectures.topk import Count
from sparsight.core import Architecture
from sparsight.initialisations.directions import Data
from sparsight.layers.constraints import UnitRows
from sparsight.layers.linear import LinearDecoder, LinearEncoder
from sparsight.spec import register
from sparsight.terms.revival import AuxK, Nudge
from sparsight.terms.squared_error import SquaredError


@register("architecture", "group_max")
def group_max(*, k: Count | None = None, auxk: Annotated[float, Field(ge=0)] = 1 / 32) -> Architecture:
    """Keep the largest code of each of k groups of features: faster to select than the k largest of all (sparsify).

    Args:
        k: how many groups; they must divide the features. None: the divisor that is nearest to √D, and at most a
            quarter of the features.
        auxk: the weight of AuxK, which brings dead features back together with the nudge; 0 leaves both out.
    """
    return Architecture(
        encoder=LinearEncoder(),
        activation=GroupMax(k=k),
        decoder=LinearDecoder(),
        error=SquaredError(),
        initialisation=Data(),
        terms={"auxk": AuxK(weight=auxk), "nudge": Nudge()} if auxk else {},
        constraints=(UnitRows(),),
    )
