"""Dictionaries by other means, to hold runs against; one file each."""

from sparsight.spec import discover

discover(__name__, __path__)
