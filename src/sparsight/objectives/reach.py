"""What somebody's function reaches by name."""

import inspect
import random
from typing import Any

import numpy as np
import torch


def code_of(fn: Any) -> Any:
    """The plain function behind partials, methods and objects that can be called."""
    fn = inspect.unwrap(getattr(fn, "func", fn))
    fn = fn if inspect.isroutine(fn) else getattr(type(fn), "forward", type(fn).__call__)
    return getattr(fn, "__func__", fn)


def modules_of(fn: Any) -> frozenset[str]:
    """The array libraries that the function's module knows."""
    known = {"torch", "numpy", "tensorflow", "jax", "keras"}
    found = {getattr(value, "__name__", "").partition(".")[0] for value in _around(fn) if inspect.ismodule(value)}
    return frozenset(found & known)


def _around(fn: Any) -> list[Any]:
    """What a function reaches by name."""
    closed = [cell.cell_contents for cell in getattr(fn, "__closure__", None) or () if _filled(cell)]
    return [*getattr(fn, "__globals__", {}).values(), *closed, *(getattr(fn, "__defaults__", None) or ())]


def _filled(cell: Any) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def generators_of(fn: Any, code: Any) -> list[Any]:
    """The generators of random numbers that it holds."""
    kinds = np.random.Generator | np.random.RandomState | random.Random | torch.Generator
    held = [*_around(code), *vars(fn).values()] if hasattr(fn, "__dict__") else _around(code)
    return [each for each in held if isinstance(each, kinds)]
