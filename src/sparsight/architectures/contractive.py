"""The contractive autoencoder."""

from typing import Annotated

from pydantic import Field

from sparsight.activations.sigmoid import Sigmoid
from sparsight.core import Architecture, Knob
from sparsight.initialisations.uniform import Uniform
from sparsight.layers.linear import LinearDecoder, LinearEncoder
from sparsight.spec import register
from sparsight.terms.contraction import Contraction
from sparsight.terms.squared_error import SquaredError


@register("architecture", "contractive")
def contractive(
    *,
    contraction: Annotated[float, Field(ge=0)] = 0.1,
    tied: bool = True,
) -> Architecture:
    """Sigmoid units that hardly change with the sample: ½‖error‖² + contraction ‖∂codes/∂x‖² (Rifai et al. 2011).

    Args:
        contraction: the weight of E_b[ Σ_j (h_j (1 − h_j))² ‖W_enc_j‖² ].
        tied: W_enc and W_dec are one parameter; else a small encoder and a large decoder get round the penalty.
    """
    return Architecture(
        encoder=LinearEncoder(centre=False, tied=tied),
        activation=Sigmoid(),
        decoder=LinearDecoder(),
        error=SquaredError(),
        initialisation=Uniform(),
        terms={"contraction": Contraction(weight=contraction)},
        output="sigmoid",
        knob=Knob(argument="contraction", of="contraction", moves=frozenset({"explained_variance"})),
    )
