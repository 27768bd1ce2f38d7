"""Summands of the loss; one file each."""

from sparsight.spec import discover

discover(__name__, __path__)
