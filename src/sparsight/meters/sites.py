"""What a crosscoder does at each of its sites."""

import math

import torch

from sparsight.core import SAE, Source
from sparsight.meters.moments import Moments, precise


@torch.no_grad()
def explained_by_site(sae: SAE, source: Source) -> dict[str, float]:
    """1 − Σ_b ‖target_b^s − recon_b^s‖² / Σ_b ‖target_b^s − mean^s‖² of each site s, in the units of the model.

    As `explained_variance` of `meters.quality.Quality`, site by site: streaming, in float64, in evaluation mode.
    NaN where all samples are equal at a site.
    """
    training = sae.training
    sae.eval()
    moments = Moments(sae.n_inputs)
    errors = torch.zeros(sae.n_inputs, dtype=torch.float64)
    for batch in source.chunks():
        x = sae.preprocess(batch.inputs.to(sae.b_dec))
        squares = (precise(x) - precise(sae(x))).square().cpu()
        weight = batch.weight
        errors += squares.sum(0) if weight is None else weight @ squares
        moments.update(x, weight=weight)
    sae.train(training)
    found = sae.schema.at_sites(torch.stack([errors, moments.m2]))
    totals = {name: both.sum(1).tolist() for name, both in found.items()}
    return {name: 1 - left / power if power else math.nan for name, (left, power) in totals.items()}
