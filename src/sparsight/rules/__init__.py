"""What can be wrong with a model, and how it is recognised; one file each."""

from sparsight.spec import discover

discover(__name__, __path__)
