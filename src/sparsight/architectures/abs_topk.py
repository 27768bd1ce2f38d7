"""AbsTopK: selection by magnitude."""

from sparsight.activations.abs_topk import AbsTopK
from sparsight.architectures.topk import Count
from sparsight.core import Architecture, Knob
from sparsight.initialisations.directions import Data
from sparsight.layers.constraints import UnitRows
from sparsight.layers.linear import LinearDecoder, LinearEncoder
from sparsight.spec import register
from sparsight.terms.revival import Nudge
from sparsight.terms.squared_error import SquaredError


@register("architecture", "abs_topk")
def abs_topk(*, k: Count | None = None) -> Architecture:
    """Keep the k codes of largest magnitude, with their sign: a feature and its opposite are one (Zhu et al. 2025).

    Dead features come back by the nudge alone: AuxK is for codes of one sign.

    Args:
        k: how many; None: √D, and at most a quarter of the features.
    """
    moves = frozenset({"l0", "explained_variance"})  # the mean of codes of both signs says nothing
    return Architecture(
        encoder=LinearEncoder(),
        activation=AbsTopK(k=k),
        decoder=LinearDecoder(),
        error=SquaredError(),
        initialisation=Data(),
        terms={"nudge": Nudge()},
        constraints=(UnitRows(),),
        knob=Knob(
            argument="k", of="activation", attribute="k", more=1, bounds=None, whole=True, sets="l0", moves=moves
        ),
    )
