"""What every test of a claim is."""

from abc import ABC, abstractmethod

import numpy as np

from sparsight.claims._case import Case
from sparsight.core import Claim

Columns = dict[str, np.ndarray]


class Check(ABC):
    """Tests a claim. It is deterministic: asked again of the same run, it says the same."""

    def refuses(self, case: Case) -> str | None:
        """Why the claim cannot be made of such a run, a sentence; None where it can."""
        return None

    def trainings(self, case: Case) -> dict[str, int]:
        """The groups of trainings that it needs, and how many each holds; checks share those of one name."""
        return {}

    @abstractmethod
    def __call__(self, case: Case) -> tuple[Claim, Columns]:
        """The claim, and what it found of every feature, [F] each."""
