"""What goes into a model whose activations are looked at; one file each."""

from sparsight.feeds._feed import Block, Feed
from sparsight.spec import discover

__all__ = ["Block", "Feed"]

discover(__name__, __path__)
