"""BatchTopK: as many codes as a sample needs."""

from typing import Annotated

from pydantic import Field

from sparsight.activations.batch_topk import BatchTopK
from sparsight.core import Architecture, Knob
from sparsight.initialisations.directions import Data
from sparsight.layers.constraints import UnitRows
from sparsight.layers.linear import LinearDecoder, LinearEncoder
from sparsight.spec import register
from sparsight.terms.revival import AuxK, Nudge
from sparsight.terms.squared_error import SquaredError


@register("architecture", "batch_topk")
def batch_topk(
    *,
    k: Annotated[float, Field(gt=0)] | None = None,
    memory: Annotated[float, Field(ge=0, lt=1)] = 0.9,
    auxk: Annotated[float, Field(ge=0)] = 1 / 32,
) -> Architecture:
    """Keep the k · B largest codes of each batch, so that samples have more or fewer (Bussmann et al. 2024).

    Decoder rows have length 1, so that codes of different features can be compared.

    Args:
        k: how many a sample keeps on average, not always a whole number; None: √D, and at most a quarter of the
            features.
        memory: the share of the past in the moving average of where batches are cut, the threshold of evaluation.
            Where training starts cuts are several times higher, and a long memory of that leaves few codes.
        auxk: the weight of AuxK, which brings dead features back together with the nudge; 0 leaves both out.
    """
    return Architecture(
        encoder=LinearEncoder(),
        activation=BatchTopK(k=k, memory=memory),
        decoder=LinearDecoder(),
        error=SquaredError(),
        initialisation=Data(),
        terms={"auxk": AuxK(weight=auxk), "nudge": Nudge()} if auxk else {},
        constraints=(UnitRows(),),
        knob=Knob(argument="k", of="activation", attribute="k", more=1, bounds=None, sets="l0"),
    )
