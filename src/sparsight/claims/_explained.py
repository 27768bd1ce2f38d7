"""How much is explained, sample by sample."""

from dataclasses import dataclass

import numpy as np
import torch

from sparsight.claims._intervals import bootstrap
from sparsight.core import SAE, Source


@dataclass(frozen=True)
class Explained:
    """‖target − recon‖² and ‖target − mean‖² of each sample, [n] each, in the units of the data."""

    squares: np.ndarray
    powers: np.ndarray

    def share(self, times: np.ndarray | None = None) -> np.ndarray:
        """1 − Σ squares / Σ powers; with `times`, [d, n], of samples that count so often, [d]."""
        counts = np.ones((1, len(self.squares))) if times is None else times
        power = counts @ self.powers
        return 1 - counts @ self.squares / np.where(power > 0, power, np.nan)

    @property
    def value(self) -> float:
        """The explained variance."""
        return float(self.share()[0])

    def interval(self) -> tuple[float, float]:
        """Of the explained variance, over samples."""
        return bootstrap(len(self.squares), self.share)


@torch.no_grad()
def explained(sae: SAE, source: Source) -> Explained:
    """How much of each sample a model explains by its codes alone; the mean is that of these samples."""
    squares, targets = [], []
    for batch in source.chunks():
        goal = batch.inputs if batch.targets is None else batch.targets
        recon = sae.in_raw_units(sae(sae.preprocess(batch.inputs.to(sae.b_dec)))).cpu()
        squares.append((goal.double() - recon.double()).square().sum(1))
        targets.append(goal.double())
    target = torch.cat(targets)
    weights = source.weights()
    weight = torch.ones(len(target), dtype=torch.float64) if weights is None else weights.double()
    centre = weight @ target / weight.sum()
    power = (target - centre).square().sum(1)
    return Explained((torch.cat(squares) * weight).numpy(), (power * weight).numpy())
