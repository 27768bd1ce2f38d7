"""From a step to one that can be called: which parameters it takes."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from sparsight.errors import SparsightError
from sparsight.objectives import parameters as layouts
from sparsight.objectives.function import Function
from sparsight.objectives.loss import OfStep
from sparsight.objectives.parameters import Layout, Unknown


def open_step(
    function: Function, given: Any, x: Callable[[int], np.ndarray], n_inputs: int | None, n_latents: int | None
) -> OfStep:
    """A step with parameters of the shapes that somebody gave, or of shapes guessed from the names that it asks for.

    Raises:
        SparsightError: none of them can be called.
    """
    failed: SparsightError | None = None
    for layout in _layouts(function, given, x, n_inputs, n_latents):
        samples = x(layout.n_inputs)
        try:
            function.settle(x=samples, parameters=layout.put())
        except SparsightError as error:
            failed = failed or error
        else:
            return OfStep(function, samples, layout)
    if failed is None:
        raise SparsightError(
            f"n_inputs={n_inputs} and n_latents={n_latents} do not fit the parameters of {function.name}"
        )
    raise SparsightError(f"{failed}; say which shapes it takes by parameters={{'w1': (784, 200), ...}}")


def _layouts(
    function: Function, given: Any, x: Callable[[int], np.ndarray], n_inputs: int | None, n_latents: int | None
) -> Iterator[Layout]:
    if given is None:
        given = getattr(function.fn, "parameters", None)
    if given is None and not function.split:
        default = inspect.signature(function.fn).parameters[function.names["parameters"]].default
        given = None if default is inspect.Parameter.empty else default
    if given is not None and not callable(given):
        yield from layouts.read(given, n_inputs, n_latents, isinstance(given, list | tuple))
        return
    width, latents = n_inputs or 784, n_latents or 200
    names = list(function.split) or _asked(function, x(width), width, latents)
    if names:
        yield from layouts.guessed(names, width, latents)
    else:
        yield from layouts.listed(width, latents)


def _asked(function: Function, x: np.ndarray, width: int, latents: int) -> list[str]:
    """The names that a step asks of its parameters; none where it takes a list.

    Raises:
        SparsightError: a name that says nothing.
    """
    names: list[str] = []
    missing: str | None = ""
    while missing is not None:
        for layout in layouts.guessed(names, width, latents):
            missing = function.asks(x, Unknown(layout.zeros()))
            if missing is not None:
                break
        else:
            break
        part = layouts.part_of(missing)
        if part is None or part in layout.parts:
            raise SparsightError(
                f"{function.name} asks for the parameter {missing!r}, whose shape cannot be guessed: "
                f"say parameters={{{missing!r}: (784, 200), ...}}"
            )
        names.append(missing)
    return names
