"""Noise on what the encoder sees, in training only; one file each."""

from sparsight.spec import discover

discover(__name__, __path__)
