"""Models trained elsewhere: weight files of other systems, read and written; one file each."""

from sparsight.interchange.arrays import arrays
from sparsight.interchange.folders import format_of, opened, read, write
from sparsight.interchange.known_answer import check
from sparsight.interchange.models import model, model_of, model_of_module
from sparsight.spec import discover

discover(__name__, __path__)

__all__ = ["arrays", "check", "format_of", "model", "model_of", "model_of_module", "opened", "read", "write"]
