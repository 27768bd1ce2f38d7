"""What can be claimed of a run, and how it is tested; one file each."""

from sparsight.spec import discover

discover(__name__, __path__)
