"""Modules of one's own."""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from sparsight.errors import SparsightError
from sparsight.models.host import Host, open_host
from sparsight.spec import register


@register("model", "module")
class Module(Host):
    """Any module of torch: one in memory, or what a function without arguments returns.

    A function that returns a path instead is answered with the model behind that path, as packages that ship weights
    have one.

    Args:
        path: `file.py:function` or `package.module:function`. It is executed.
        module: in its place a module in memory. No recipe can hold it.
        tokenizer: where it reads texts.
        causal: whether its output, or its field `logits`, are the logits of the next token.

    Raises:
        SparsightError: there is no such function, it fails, or what it returns is no module.
    """

    def __init__(
        self, *, path: str | None = None, module: Any = None, tokenizer: Any = None, causal: bool = False
    ) -> None:
        if (path is None) == (module is None):
            raise SparsightError("a model is a path or a module in memory: give one of the two")
        made = module if path is None else _made(path)
        if isinstance(made, str | Path):
            behind = open_host(str(made))
            self.tokenizer, self.causal, self.n_context = behind.tokenizer, behind.causal, behind.n_context
            made = behind.module
        else:
            self.tokenizer, self.causal = tokenizer, causal
        if not isinstance(made, nn.Module):
            raise SparsightError(f"{path or 'the model'} is a {type(made).__name__}: a torch.nn.Module is needed")
        self._hold(made, type(made).__name__ if path is None else path)

    @classmethod
    def opens(cls, path: str) -> dict[str, str] | None:
        place, colon, function = path.rpartition(":")
        return {"path": path} if colon and function.isidentifier() and len(place) > 1 else None


def _made(path: str) -> Any:
    place, _, name = path.rpartition(":")
    source = _imported(place, path)
    function: Callable[[], Any] | None = getattr(source, name, None)
    if not callable(function):
        raise SparsightError(f"{place!r} has no function {name!r}")
    try:
        return function()
    except Exception as error:  # whatever a function of the user's may raise
        said = " ".join(str(error).split())[:200]
        raise SparsightError(f"{path} failed ({type(error).__name__}: {said})") from None


def _imported(place: str, path: str) -> ModuleType:
    try:
        if not place.endswith(".py"):
            return importlib.import_module(place)
        if not Path(place).is_file():
            raise SparsightError(f"there is no file {place!r}")
        found = importlib.util.spec_from_file_location(f"sparsight_model_{Path(place).stem}", place)
        assert found is not None
        assert found.loader is not None
        source = sys.modules[found.name] = importlib.util.module_from_spec(found)
        found.loader.exec_module(source)
    except SparsightError:
        raise
    except Exception as error:  # whatever importing a file of the user's may raise
        said = " ".join(str(error).split())[:200]
        raise SparsightError(f"{path} cannot be imported ({type(error).__name__}: {said})") from None
    return source
