"""What every baseline is."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor

from sparsight.baselines._pursuit import pursue


class Baseline(ABC):
    """raw ≈ offset + codes · atoms, float64; `offset` [D] and `atoms` [F, D] are there after `fit`.

    A baseline takes at most `samples` rows to fit: `fit` is given no more.
    """

    null: ClassVar[bool] = False
    """It has learned nothing, or hardly: what every other row must beat."""
    samples: int
    atoms: Tensor
    offset: Tensor

    def refuses(self, x: Tensor) -> str | None:
        """Why it cannot be fitted to such samples; None where it can."""
        return None

    @abstractmethod
    def fit(self, x: Tensor, n_latents: int) -> None:
        """Find the atoms, as many as asked for or, where the method has no more, fewer.

        Args:
            x: raw samples, [n, D], float64.
            n_latents: F.
        """

    def encode(self, x: Tensor, k: int) -> Tensor:
        """Codes of raw samples, [B, F], by default with at most k that are not 0, by orthogonal matching pursuit."""
        return pursue(x - self.offset, self.atoms, k)

    def decode(self, codes: Tensor) -> Tensor:
        """Codes to raw samples, [B, D]."""
        return self.offset + codes @ self.atoms
