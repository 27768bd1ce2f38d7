"""TopK: sparsity by selection."""

from typing import Annotated

from pydantic import Field

from sparsight.activations.topk import TopK
from sparsight.core import Architecture, Knob
from sparsight.initialisations.directions import Data
from sparsight.layers.constraints import UnitRows
from sparsight.layers.linear import LinearDecoder, LinearEncoder
from sparsight.spec import register
from sparsight.terms.revival import AuxK, Nudge
from sparsight.terms.squared_error import SquaredError

Count = Annotated[int, Field(ge=1)]


@register("architecture", "topk")
def topk(
    *,
    k: Count | None = None,
    k_start: Count | None = None,
    anneal: Annotated[float, Field(gt=0, le=1)] = 0.5,
    k_eval: Count | None = None,
    tied: bool = False,
    unit_rows: bool = True,
    auxk: Annotated[float, Field(ge=0)] = 1 / 32,
) -> Architecture:
    """Keep the k largest codes of each sample (Makhzani & Frey 2014; Gao et al. 2024).

    Args:
        k: how many; None: √D, and at most a quarter of the features.
        k_start: in training, k falls linearly from this to `k`; None: it does not.
        anneal: the part of the training over which it falls.
        k_eval: how many are kept in evaluation (α k of Makhzani & Frey 2014); None: k.
        tied: W_enc and W_dec are one parameter.
        unit_rows: decoder rows have length 1.
        auxk: the weight of AuxK, which brings dead features back together with the nudge; 0 leaves both out.
    """
    return Architecture(
        encoder=LinearEncoder(tied=tied),
        activation=TopK(k=k, k_start=k_start, anneal=anneal, k_eval=k_eval),
        decoder=LinearDecoder(),
        error=SquaredError(),
        initialisation=Data(),
        terms={"auxk": AuxK(weight=auxk), "nudge": Nudge()} if auxk else {},
        constraints=(UnitRows(),) if unit_rows else (),
        knob=Knob(argument="k", of="activation", attribute="k", more=1, bounds=None, whole=True, sets="l0"),
    )
