"""The classic sparse autoencoder."""

from typing import Annotated

from pydantic import Field

from sparsight.activations.sigmoid import Sigmoid
from sparsight.core import Architecture, Knob
from sparsight.initialisations.uniform import Uniform
from sparsight.layers.linear import LinearDecoder, LinearEncoder
from sparsight.spec import register
from sparsight.terms.kl import KL, Target
from sparsight.terms.squared_error import SquaredError
from sparsight.terms.weights import L2


@register("architecture", "sigmoid_kl")
def sigmoid_kl(
    *,
    target: Target = 0.1,
    kl: Annotated[float, Field(ge=0)] = 3.0,
    decay: Annotated[float, Field(ge=0)] = 3e-3,
) -> Architecture:
    """Sigmoid units whose mean activity is held at a target (Ng 2011; UFLDL): ½‖error‖² + kl Σ_j KL + decay ½ Σ w².

    Args:
        target: ρ, the mean activity of every feature over samples.
        kl: β, the weight of the divergence from it.
        decay: λ, the weight of ½ Σ w² over encoder and decoder, not over biases. Without it nothing removes the
            noise that the encoder starts with.
    """
    terms = {"kl": KL(weight=kl, target=target), "l2": L2(weight=decay)}
    knob = Knob(
        argument="target",
        of="kl",
        attribute="target",
        more=1,
        bounds=(1e-4, 0.5),  # beyond, codes are as sparse, with 1 in the place of 0
        sets="mean_activity",
        moves=frozenset({"mean_activity", "explained_variance"}),  # every feature fires in every sample
    )
    return Architecture(
        encoder=LinearEncoder(centre=False),
        activation=Sigmoid(),
        decoder=LinearDecoder(),
        error=SquaredError(),
        initialisation=Uniform(),
        terms={name: term for name, term in terms.items() if term.weight},
        output="sigmoid",
        knob=knob if kl else None,
    )
