"""Models whose activations are looked at: how they are opened, tapped, harvested, spliced and steered."""

from sparsight.spec import discover

discover(__name__, __path__)
