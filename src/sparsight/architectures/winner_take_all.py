"""Winner-take-all: sparsity over the life of a feature."""

from typing import Annotated

from pydantic import Field

from sparsight.activations.winner_take_all import WinnerTakeAll
from sparsight.core import Architecture, Knob
from sparsight.initialisations.directions import Data
from sparsight.layers.constraints import UnitRows
from sparsight.layers.linear import LinearDecoder, LinearEncoder
from sparsight.spec import register
from sparsight.terms.revival import Nudge
from sparsight.terms.squared_error import SquaredError


@register("architecture", "winner_take_all")
def winner_take_all(*, share: Annotated[float, Field(gt=0, le=1)] = 0.05) -> Architecture:
    """Keep the largest codes of each feature over the batch, so that all have work (Makhzani & Frey 2015).

    Features do not compete, and so one that is positive somewhere in a batch takes part in it; the nudge brings back
    one that is not. In evaluation all positive codes are kept, many more of a sample than in training.

    Args:
        share: of the samples of a batch, in which each feature may fire.
    """
    moves = frozenset({"explained_variance"})  # in evaluation all positive codes are kept
    knob = Knob(argument="share", of="activation", attribute="share", more=1, bounds=(1e-4, 1.0), moves=moves)
    return Architecture(
        encoder=LinearEncoder(),
        activation=WinnerTakeAll(share=share),
        decoder=LinearDecoder(),
        error=SquaredError(),
        initialisation=Data(fit=False),
        terms={"nudge": Nudge()},
        constraints=(UnitRows(),),
        knob=knob,
    )
