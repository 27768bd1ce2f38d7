"""Crosscoders: one code for several sites."""

from typing import Annotated

from pydantic import Field

from sparsight.activations.relu import ReLU
from sparsight.activations.topk import TopK
from sparsight.core import Architecture, Knob
from sparsight.initialisations.directions import Data
from sparsight.layers.constraints import UnitRows
from sparsight.layers.linear import LinearDecoder, LinearEncoder
from sparsight.spec import register
from sparsight.terms.revival import AuxK, Nudge
from sparsight.terms.sites_l1 import SitesL1
from sparsight.terms.squared_error import SquaredError


@register("architecture", "crosscoder")
def crosscoder(
    *,
    l1: Annotated[float, Field(ge=0)] | None = None,
    warmup: Annotated[float, Field(ge=0, le=1)] = 0.05,
    k: Annotated[int, Field(ge=1)] | None = None,
    auxk: Annotated[float, Field(ge=0)] = 1.0,
) -> Architecture:
    """Features that are written at several sites, such as layers or models, and read from all (Lindsey et al. 2024).

    The source `sites` lays them side by side, and encoder and decoder are linear over the whole: W_dec_j^s is what
    feature j writes at site s. Preprocessing `scale_sites` gives sites one unit. A source without sites is one site.

    Args:
        l1: the weight of E_b[ Σ_j |codes_bj| Σ_s ‖W_dec_j^s‖ ] beside ½‖error‖²; None: 0.1, and 0 where there is a k.
        warmup: the part of training over which that weight rises from 0, lest features die at the start.
        k: keep the k largest codes of each sample, with decoder rows of length 1; None: all that are positive.
        auxk: the weight of AuxK, which brings dead features back together with the nudge; 0 leaves both out.
    """
    l1 = l1 if l1 is not None else 0.1 if k is None else 0.0
    revival = {"auxk": AuxK(weight=auxk), "nudge": Nudge()} if auxk else {}
    by_l1 = Knob(argument="l1", of="sites_l1") if l1 else None
    by_k = Knob(argument="k", of="activation", attribute="k", more=1, bounds=None, whole=True, sets="l0")
    return Architecture(
        encoder=LinearEncoder(),
        activation=ReLU() if k is None else TopK(k=k),
        decoder=LinearDecoder(),
        error=SquaredError(),
        initialisation=Data(),
        terms={**({"sites_l1": SitesL1(weight=l1, warmup=warmup)} if l1 else {}), **revival},
        constraints=() if k is None else (UnitRows(),),
        knob=by_l1 if k is None else by_k,
    )
