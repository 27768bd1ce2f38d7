"""Kinds of sparse autoencoders; one file each."""

from sparsight.spec import discover

discover(__name__, __path__)
