"""Told what is wrong: every rule asked about a model, and what to do about the answers."""

from sparsight.diagnose.diagnosis import diagnose, ranked
from sparsight.diagnose.mending import mended
from sparsight.diagnose.watch import Watch

__all__ = ["Watch", "diagnose", "mended", "ranked"]
