"""One adapter per system; each file here is found by itself.

An adapter names its systems in `SYSTEMS`. Each makes of a task what is trained, or None where the system has no such
model.
"""

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from tasks import Task
from torch import Tensor

Train = Callable[[int], None]
Rebuild = Callable[[Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class System:
    """A model in training; without `rebuild` and `dictionary` it is there to be timed only."""

    train: Train
    """Go on for a number of steps, with batches of its own."""
    rebuild: Rebuild | None = None
    """Codes, [B, F], and reconstructions, [B, D], of samples, [B, D], as in evaluation."""
    dictionary: Callable[[], Tensor] | None = None
    """Decoder rows, [F, D]; their lengths mean nothing."""


Make = Callable[[Task], System | None]


def found() -> tuple[dict[str, Make], list[str]]:
    """All systems by name, and a line for each that is not installed."""
    systems: dict[str, Make] = {}
    missing = []
    for module in pkgutil.iter_modules(__path__):
        try:
            systems |= importlib.import_module(f"{__name__}.{module.name}").SYSTEMS
        except ImportError as error:
            missing.append(f"{module.name} is left out: {error}")
    return systems, missing


def without_init(package: str) -> None:
    """Let a package's modules be imported without its `__init__`, which asks for much that training does not need."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError(f"No module named {package!r}")
    module = ModuleType(package)
    module.__path__ = list(spec.submodule_search_locations)
    sys.modules[package] = module
