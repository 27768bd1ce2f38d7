"""How well a model rebuilds samples, and how sparsely."""

import math

import torch
from torch import Tensor

from sparsight.core import Step
from sparsight.meters.moments import Moments


class Quality:
    """Streaming, float64, for held-out samples; sample weights are honoured everywhere.

    - `explained_variance` = 1 − Σ_b ‖target_b − recon_b‖² / Σ_b ‖target_b − mean‖², with the mean of each dimension.
      One mean for all dimensions would count their differences as variance, and flatter every model.
    - `l0`: E_b of the number of features that fire. `dead`: features that never fired in this pass.
    - `mean_activity`: the mean of q_j = E_b[ codes_bj ] over features; `median_activity`: its median.
    - `error` = E_b[ ½ ‖target_b − recon_b‖² ]. `cosine` = E_b[ cos(target_b, recon_b) ].

    Nulls: a model that always answers with the mean has an explained variance of 0.
    """

    def __init__(self) -> None:
        self.weight = 0.0
        self.squares = 0.0
        self.fired = 0.0
        self.cosines = 0.0
        self.moments: Moments | None = None
        self.sums = torch.zeros(0, dtype=torch.float64)
        self.counts = torch.zeros(0, dtype=torch.float64)

    @torch.no_grad()
    def update(self, step: Step) -> None:
        """Add the samples of a forward pass."""
        target, recon = step.target.double().cpu(), step.recon.double().cpu()
        w = torch.ones(len(target), dtype=torch.float64) if step.weight is None else step.weight.double().cpu()
        codes = step.codes.map(Tensor.double)
        if self.moments is None:
            self.moments = Moments(target.shape[1])
            self.sums = torch.zeros(step.codes.n_latents, dtype=torch.float64)
            self.counts = torch.zeros_like(self.sums)
        self.moments.update(target, weight=step.weight)
        self.weight += float(w.sum())
        self.squares += float(w @ (target - recon).square().sum(1))
        self.fired += float(w @ codes.l0().double().cpu())
        self.cosines += float(w @ torch.cosine_similarity(target, recon, dim=1))
        self.sums += codes.per_feature_sum(w.to(codes.values)).cpu()
        fires = codes.map(lambda values: (values != 0).double())
        self.counts += fires.per_feature_sum(w.to(codes.values)).cpu()

    def merge(self, other: "Quality") -> None:
        """Add what another has seen."""
        if other.moments is None:
            return
        if self.moments is None:
            self.moments = Moments(len(other.moments.mean))
            self.sums, self.counts = torch.zeros_like(other.sums), torch.zeros_like(other.counts)
        self.moments.merge(other.moments)
        for name in ("weight", "squares", "fired", "cosines", "sums", "counts"):
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
        """All figures."""
        assert self.moments is not None, "no samples were measured"
        power = float(self.moments.m2.sum())
        return {
            "explained_variance": 1 - self.squares / power if power else math.nan,
            "l0": self.fired / self.weight,
            "dead": float((self.counts == 0).sum()),
            "mean_activity": float(self.mean.mean()),
            "median_activity": float(self.mean.median()),
            "error": 0.5 * self.squares / self.weight,
            "cosine": self.cosines / self.weight,
        }
