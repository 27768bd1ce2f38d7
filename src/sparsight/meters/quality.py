"""How well a model rebuilds samples, and how sparsely."""

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from sparsight.core import SAE, Source, Step
from sparsight.errors import SparsightError
from sparsight.meters.moments import Moments, precise

DENSE = 0.1
"""A feature that fires in a larger share of the samples is dense."""
ADDED = (
    "weight", "squares", "fired", "cosines", "misses", "sizes", "products", "powers", "ratios", "directions", "sums",
    "counts",
)  # fmt: skip
"""What merging adds up."""


class Quality:
    """Streaming, float64, for held-out samples; E_b is the mean over samples, weighted where they have weights.

    - `explained_variance` = 1 − Σ_b ‖target_b − recon_b‖² / Σ_b ‖target_b − mean‖², with the mean of each dimension;
      NaN where all targets are equal. One mean for all dimensions is wrong: it counts differences between dimensions,
      which need no model, as variance, and flatters every model.
    - `l0`: E_b of the number of features that fire. `silent`: features that never fired in this pass.
    - `mean_activity`: the mean over features of q_j = E_b[ codes_bj ]; `median_activity`: the median.
    - `error` = E_b[ ½ ‖target_b − recon_b‖² ].
    - `cosine` = E_b[ cos(target_b, recon_b) ], 0 where one of them is zero.
    - `relative_l1` = Σ_b ‖target_b − recon_b‖₁ / Σ_b ‖target_b‖₁.
    - `shrinkage` = E_b⟨target_b, recon_b⟩ / E_b‖recon_b‖², the factor that reconstructions lack: above 1 they are too
      small (the inverse of γ in Rajamanoharan et al. 2024). `norm_ratio` = E_b[ ‖recon_b‖ / ‖target_b‖ ] also falls
      where parts of the target are left out; samples of zeros count as 0.
    - `dense`: features that fire in more than a tenth of the samples.

    Samples of weight 0 count nowhere, so a feature that fires in them alone is silent. Null: a model that always
    answers with the mean of the targets; see `null`.
    """

    def __init__(self) -> None:
        self.weight = 0.0
        self.squares = 0.0
        self.fired = 0.0
        self.cosines = 0.0
        self.misses = 0.0
        self.sizes = 0.0
        self.products = 0.0
        self.powers = 0.0
        self.ratios = 0.0
        self.moments: Moments | None = None
        self.directions = torch.zeros(0, dtype=torch.float64)
        self.sums = torch.zeros(0, dtype=torch.float64)
        self.counts = torch.zeros(0, dtype=torch.float64)

    @torch.no_grad()
    def update(self, step: Step) -> None:
        """Add the samples of a forward pass.

        Raises:
            SparsightError: targets, reconstructions, codes and weights do not belong together, or to earlier ones.
        """
        self._check(step)
        target, recon = precise(step.target), precise(step.recon)
        codes = step.codes.map(precise)
        w = target.new_ones(len(target)) if step.weight is None else precise(step.weight)
        if self.moments is None:
            self._start(target.shape[1], codes.n_latents)
        assert self.moments is not None
        self.moments.update(target, weight=step.weight)
        self.weight += float(w.sum())
        self.squares += float(w @ (target - recon).square().sum(1))
        length, power, product = target.norm(dim=1), recon.square().sum(1), (target * recon).sum(1)
        norms = length * power.sqrt()
        at_least = torch.where(length == 0, 1.0, length)
        self.cosines += float(w @ (product / torch.where(norms == 0, 1.0, norms)))
        self.misses += float(w @ (target - recon).abs().sum(1))
        self.sizes += float(w @ target.abs().sum(1))
        self.products += float(w @ product)
        self.powers += float(w @ power)
        self.ratios += float(w @ torch.where(length == 0, 0.0, power.sqrt() / at_least))
        self.directions = self.directions + ((w / at_least) @ target).cpu()
        fires = codes.map(lambda values: (values != 0).double())
        at = w.to(codes.values.device)
        self.fired += float(at @ fires.per_sample_sum())
        self.sums = self.sums + codes.per_feature_sum(at).cpu()
        self.counts = self.counts + fires.per_feature_sum(at).cpu()

    def _start(self, width: int, n_latents: int) -> None:
        self.moments = Moments(width)
        self.directions = torch.zeros(width, dtype=torch.float64)
        self.sums = torch.zeros(n_latents, dtype=torch.float64)
        self.counts = torch.zeros_like(self.sums)

    def _check(self, step: Step) -> None:
        n, shape = len(step.target), step.target.shape
        if len(shape) != 2 or step.recon.shape != shape:
            raise SparsightError(
                f"targets of shape {tuple(shape)} cannot be compared with a reconstruction of {tuple(step.recon.shape)}"
            )
        if len(step.codes) != n or (step.weight is not None and step.weight.shape != (n,)):
            raise SparsightError(f"{n} samples need one row of codes and, where there are weights, one weight each")
        self._fits(shape[1], step.codes.n_latents)

    def _fits(self, width: int, n_latents: int) -> None:
        if self.moments is not None and (len(self.moments.mean), len(self.sums)) != (width, n_latents):
            raise SparsightError(
                f"a model of {len(self.moments.mean)} outputs and {len(self.sums)} features was measured before, "
                f"this one has {width} and {n_latents}"
            )

    def merge(self, other: "Quality") -> None:
        """Add what another has seen of the same model.

        Raises:
            SparsightError: the other measured a model of another size.
        """
        if other.moments is None:
            return
        width, n_latents = len(other.moments.mean), len(other.sums)
        self._fits(width, n_latents)
        if self.moments is None:
            self._start(width, n_latents)
        assert self.moments is not None
        self.moments.merge(other.moments)
        for name in ADDED:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def rate(self) -> Tensor:
        """The share of samples in which each feature fires, [F]."""
        return self.counts / self.weight

    @property
    def mean(self) -> Tensor:
        """The mean activity of each feature over samples, [F]."""
        return self.sums / self.weight

    def result(self) -> dict[str, float]:
        """All figures.

        Raises:
            SparsightError: nothing was measured.
        """
        power = float(self._measured().m2.sum())
        mean = self.mean.numpy()
        return {
            "explained_variance": 1 - self.squares / power if power else math.nan,
            "l0": self.fired / self.weight,
            "silent": float((self.counts == 0).sum()),
            "mean_activity": float(mean.mean()),
            "median_activity": float(np.median(mean)),
            "error": 0.5 * self.squares / self.weight,
            "cosine": self.cosines / self.weight,
            "relative_l1": self.misses / self.sizes if self.sizes else math.nan,
            "shrinkage": self.products / self.powers if self.powers else math.nan,
            "norm_ratio": self.ratios / self.weight,
            "dense": float((self.rate > DENSE).sum()),
        }

    def null(self) -> dict[str, float]:
        """The figures of a model that always answers with the mean of the targets, those that have a closed form.

        Raises:
            SparsightError: nothing was measured.
        """
        moments = self._measured()
        power, length = float(moments.m2.sum()), float(moments.mean.norm())
        return {
            "explained_variance": 0.0 if power else math.nan,
            "error": 0.5 * power / self.weight,
            "cosine": float(self.directions @ moments.mean) / (self.weight * length) if length else 0.0,
            "shrinkage": 1.0 if length else math.nan,
        }

    def density(self, bins: int = 40) -> tuple[Tensor, Tensor]:
        """How many features have which log₁₀ rate, [bins], and the borders of the bins, from one sample to all.

        Features that never fired are in none.
        """
        lowest = -math.log10(max(self._measured().n, 2))
        rates = self.rate[self.counts > 0].log10()
        edges = torch.linspace(lowest, 0.0, bins + 1, dtype=torch.float64)
        return torch.histogram(rates.clamp(lowest, 0.0), edges).hist.long(), edges

    def _measured(self) -> Moments:
        if self.moments is None or not self.weight:
            raise SparsightError("there is no quality without samples: give at least one that has a weight")
        return self.moments


def evaluate(sae: SAE, source: Source) -> dict[str, float]:
    """The quality of a model on all samples of a source."""
    return measure_quality(sae, source).result()


@torch.no_grad()
def measure_quality(sae: SAE, source: Source, *, raw: bool = False) -> Quality:
    """The quality of a model, and of each feature: without noise and in evaluation mode.

    Args:
        sae: the model.
        source: held-out samples.
        raw: measure errors in the units of the data, in place of the model's. What preprocessing takes out of each
            sample, such as its brightness, is not in the codes, and counts as missed.
    """
    training = sae.training
    sae.eval()
    quality = Quality()
    for batch in source.chunks():
        inputs = batch.inputs.to(sae.b_dec)
        targets, weight = batch.targets, batch.weight
        x, target = sae.units(inputs, targets)
        step = sae.run(x, target, weight=None if weight is None else weight.to(x))
        if raw:
            recon = sae.in_raw_units(step.recon)
            step = replace(step, target=inputs if targets is None else targets.to(recon), recon=recon)
        quality.update(step)
    sae.train(training)
    return quality
