"""Functions and modules of users, called with rows of numbers."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sparsight.core import Codes
from sparsight.errors import SparsightError


def as_codes(given: Any) -> Codes:
    """What an encoder gave, as codes on the CPU in float32.

    Raises:
        SparsightError: there are none in it.
    """
    if isinstance(given, Codes):
        return given
    if isinstance(given, tuple | list) and len(given) >= 2:
        values, index = given[0], given[1]
        if isinstance(index, Tensor) and not index.is_floating_point() and index.shape == values.shape:
            wide = [each.shape[-1] for each in given[2:] if isinstance(each, Tensor)]
            n_latents = wide[0] if wide else int(index.max()) + 1
            return Codes.fixed(values.detach().cpu().float(), index.detach().cpu().long(), n_latents)
        given = values
    elif isinstance(given, tuple | list) and given:
        given = given[0]
    rows = rows_of(given)
    return Codes(rows, rows.shape[1])


def rows_of(given: Any) -> Tensor:
    """[n, F] float32 on the CPU."""
    if isinstance(given, np.ndarray):
        given = torch.from_numpy(np.ascontiguousarray(given))
    if not isinstance(given, Tensor):
        raise SparsightError(f"a function gave {type(given).__name__}, and rows of numbers are needed, [n, F]")
    given = given.detach()
    rows = (given.to_dense() if given.layout != torch.strided else given).cpu().float()
    if rows.ndim < 2:
        raise SparsightError(f"a function gave {list(rows.shape)}, and rows of numbers are needed, [n, F]")
    return rows.flatten(1)


class Place:
    """Where a module's parameters are, and in which type."""

    def __init__(self, module: Any) -> None:
        self.module = module if isinstance(module, nn.Module) else None
        self.like = next(iter(self.module.parameters()), None) if self.module is not None else None

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        training = self.module is not None and self.module.training
        if self.module is not None:
            self.module.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            if self.module is not None:
                self.module.train(training)

    def call(self, name: str, function: Callable[..., Any], rows: Tensor) -> Any:
        """A function of the user's; what it raises is told in one sentence."""
        rows = rows.to(self.like) if self.like is not None else rows
        try:
            return function(rows)
        except SparsightError:
            raise
        except Exception as error:  # whatever a user's function may raise
            said = " ".join(str(error).split())[:200]
            raise SparsightError(
                f"{name} failed on samples of {list(rows.shape)} ({type(error).__name__}: {said}): give a pair of "
                "functions (encode, decode) that take rows of numbers, [n, D]"
            ) from None


def either(function: Callable[..., Any], rows: Tensor) -> Callable[[Tensor], Any]:
    """A function that takes tensors, made of one in torch or in NumPy, whichever it takes without complaint."""

    def in_numpy(given: Tensor) -> Any:
        return function(given.numpy())

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("error")
        for way in (function, in_numpy):
            try:
                way(rows)
            except Exception:  # not this way; where neither is one, what torch says is told when it is used
                continue
            return way
    return function
