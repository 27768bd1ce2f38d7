"""What is done to raw samples before the encoder sees them; one file each."""

from sparsight.spec import discover

discover(__name__, __path__)
