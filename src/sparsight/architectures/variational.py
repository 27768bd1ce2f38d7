"""The variational autoencoder."""

from typing import Annotated

from pydantic import Field

from sparsight.activations.gaussian import Gaussian
from sparsight.core import Architecture, Knob
from sparsight.initialisations.directions import Random
from sparsight.layers.gaussian import GaussianEncoder
from sparsight.layers.linear import LinearDecoder
from sparsight.spec import register
from sparsight.terms.gaussian_kl import GaussianKL
from sparsight.terms.squared_error import SquaredError


@register("architecture", "variational")
def variational(*, beta: Annotated[float, Field(ge=0)] = 0.1) -> Architecture:
    """Gaussian codes, drawn in training, and their divergence from N(0, 1) (Kingma & Welling 2014).

    Mean and log-variance are linear in the sample; the mean is what evaluation takes.

    Args:
        beta: β (Higgins et al. 2017), the share of an input's variance that is taken for noise: directions below it
            are left out.
    """
    return Architecture(
        encoder=GaussianEncoder(),
        activation=Gaussian(),
        decoder=LinearDecoder(),
        error=SquaredError(),
        initialisation=Random(),
        terms={"gaussian_kl": GaussianKL(weight=beta)},
        knob=Knob(argument="beta", of="gaussian_kl", moves=frozenset({"explained_variance"})),
    )
