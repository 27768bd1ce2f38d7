"""sparsight: sparse autoencoders you can see through."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sparsight.atlas import survey
    from sparsight.core import SAE, Atlas
    from sparsight.diagnosis import diagnose
    from sparsight.errors import SparsightError
    from sparsight.estimator import SparseAutoencoder
    from sparsight.job import Recipe, resume, train
    from sparsight.meters.recovery import recovery
    from sparsight.objectives import diagnose_objective
    from sparsight.run import Run
    from sparsight.sources.planted import plant
    from sparsight.stacks import stack
    from sparsight.sweeps import Sweep, sweep
    from sparsight.verification import verify

__version__ = "0.1.0"
__all__ = [
    "SAE",
    "Atlas",
    "Recipe",
    "Run",
    "SparseAutoencoder",
    "SparsightError",
    "Sweep",
    "diagnose",
    "diagnose_objective",
    "plant",
    "recovery",
    "resume",
    "stack",
    "survey",
    "sweep",
    "train",
    "verify",
]

# looked up when asked for (PEP 562), so that `import sparsight` imports no torch
_HOMES = {
    "SAE": "core",
    "Atlas": "core",
    "Recipe": "job",
    "Run": "run",
    "SparseAutoencoder": "estimator",
    "SparsightError": "errors",
    "Sweep": "sweeps",
    "diagnose": "diagnosis",
    "diagnose_objective": "objectives",
    "plant": "sources.planted",
    "recovery": "meters.recovery",
    "resume": "job",
    "stack": "stacks",
    "survey": "atlas",
    "sweep": "sweeps",
    "train": "job",
    "verify": "verification",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sparsight' has no attribute {name!r}")
    return getattr(importlib.import_module(f"sparsight.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
