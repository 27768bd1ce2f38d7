"""Decoder rows of length one, and an encoder that starts as their mirror."""

import torch
from torch import Tensor
from torch.nn import functional

from sparsight.core import SAE, Facts, Initialisation, Sampler, generator
from sparsight.errors import SparsightError
from sparsight.spec import register

_PURPOSE = 5
_SAMPLES = 1024


@torch.no_grad()
def start(sae: SAE, rows: Tensor, facts: Facts, norm: float) -> None:
    """W_dec = rows of the given norm, W_enc = W_dec, b_dec = the mean, b_enc = 0."""
    sae.W_dec.copy_(norm * functional.normalize(rows, dim=1))
    if sae.W_enc is not sae.W_dec:
        sae.W_enc.copy_(sae.W_dec)
    sae.b_dec.copy_(facts.mean)
    sae.b_enc.zero_()


def random_rows(sae: SAE, seed: int) -> Tensor:
    """Directions drawn uniformly, [F, D].

    Raises:
        SparsightError: targets are not as wide as inputs, so that rows cannot be filters too.
    """
    if sae.sizes.n_inputs != sae.sizes.n_targets:
        raise SparsightError(
            f"this start takes filters of {sae.sizes.n_inputs} inputs from rows of {sae.sizes.n_targets} targets, "
            "which cannot be: set initialisation=pairs"
        )
    return torch.randn(sae.n_latents, sae.sizes.n_targets, generator=generator(seed, _PURPOSE))


@register("initialisation", "random")
class Random(Initialisation):
    """W_dec in random directions, W_enc = W_dec, b_dec at the mean, b_enc = 0 (Bricken et al. 2023)."""

    def __init__(self, *, norm: float = 1.0) -> None:
        self.norm = norm

    def __call__(self, sae: SAE, sample: Sampler, facts: Facts, seed: int) -> None:
        start(sae, random_rows(sae, seed), facts, self.norm)


@register("initialisation", "data")
class Data(Initialisation):
    """W_dec at training samples less the mean, W_enc = s W_dec, b_dec at the mean, b_enc = 0.

    Every feature starts where the data are, so none is dead from the start. Where there are fewer different
    samples than features, the rest start in random directions.

    s = E⟨recon, x⟩ / E‖recon‖² for s = 1, x and recon less the mean, is what makes the first reconstructions as large
    as the data: features that fire together are alike at first, and add up to several times a sample. What has to be
    unlearnt before anything else leaves large squares of gradients in Adam. Tied weights have no s.

    Args:
        norm: the length of the rows.
        fit: have that s; else s = 1.
        sparse: b_enc is such that every feature is positive equally often, and √D of them, but at most a quarter, in a
            sample (Conerly et al., Anthropic, January 2025). Where all that are positive fire, the others would add up
            to a reconstruction that is many times too large, and the features would be lost in its unlearning.
    """

    def __init__(self, *, norm: float = 1.0, fit: bool = True, sparse: bool = False) -> None:
        self.norm, self.fit, self.sparse = norm, fit, sparse

    def __call__(self, sae: SAE, sample: Sampler, facts: Facts, seed: int) -> None:
        rows = random_rows(sae, seed)
        found = sample(sae.n_latents) - facts.mean.to(rows)
        found = found[found.norm(dim=1) > 1e-6 * facts.power**0.5]
        rows[: len(found)] = found
        start(sae, rows, facts, self.norm)
        fit = self.fit and sae.W_enc is not sae.W_dec
        if not (fit or self.sparse):
            return
        x = sample(_SAMPLES)
        if self.sparse:
            with torch.no_grad():
                pre = sae.pre(x)
                share = min(sae.n_inputs**0.5 / sae.n_latents, 0.25)
                sae.b_enc.sub_(pre.topk(max(1, round(share * len(pre))), dim=0).values[-1])
        if fit:
            _fit(sae, x)


@torch.no_grad()
def _fit(sae: SAE, x: Tensor) -> None:
    """Scale the encoder so that reconstructions have the size of the samples."""
    sae.activation.begin(sae.pre(x))
    recon = sae.run(x, x).recon - sae.b_dec
    scale = (recon * (x - sae.b_dec)).sum() / recon.square().sum()
    if scale.isfinite() and scale > 0:
        sae.W_enc.mul_(scale)
        sae.b_enc.mul_(scale)
