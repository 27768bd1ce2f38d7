"""Told what is wrong: every rule asked about a model, and what to do about the answers."""

from sparsight.diagnosis.asking import diagnose, ranked
from sparsight.diagnosis.mending import mended
from sparsight.diagnosis.watch import Watch

__all__ = ["Watch", "diagnose", "mended", "ranked"]
