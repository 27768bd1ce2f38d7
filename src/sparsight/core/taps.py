"""Looking into a module while it runs, and changing what passes, through plain forward hooks."""

import difflib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from sparsight.errors import SparsightError

INPUT = ":input"
"""What is put behind a layer's name where its first input is meant and not its output."""
Edit = Callable[[Tensor], Tensor]


class Stopped(Exception):  # noqa: N818
    """All that was asked for has been seen."""


class Tap:
    """The outputs of some layers in one forward pass, which ends after the last of them.

    Args:
        module: any module.
        at: names as `module.named_modules()` has them; with `:input` behind it, the first input of the layer.

    Raises:
        SparsightError: there is no such layer; the sentence names those that are like it.
    """

    def __init__(self, module: nn.Module, at: Sequence[str]) -> None:
        if not at:
            raise SparsightError("say at which layer, such as at=encoder.layer.3")
        self.module, self.at = module, list(at)
        for name in at:
            layer(module, name)

    @torch.no_grad()
    def __call__(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """What each layer gave, as it gave it.

        Raises:
            SparsightError: a layer was not reached, or gave no tensor.
        """
        seen: dict[str, Tensor] = {}

        def look(name: str) -> Edit:
            def edit(given: Tensor) -> Tensor:
                seen.setdefault(name, given)
                if len(seen) == len(self.at):
                    raise Stopped
                return given

            return edit

        with editing(self.module, {name: look(name) for name in self.at}):
            try:
                self.module(*args, **kwargs)
            except Stopped:
                return seen
        missing = [name for name in self.at if name not in seen]
        raise SparsightError(f"the forward pass never reached {', '.join(missing)}: choose another layer")


def layer(module: nn.Module, name: str) -> nn.Module:
    """The part of a module with this name, with or without `:input` behind it.

    Raises:
        SparsightError: there is none.
    """
    there = dict(module.named_modules())
    wanted = name.removesuffix(INPUT)
    if wanted not in there:
        close = difflib.get_close_matches(wanted, there, n=5, cutoff=0.4) or [each for each in there if each][:5]
        raise SparsightError(f"the model has no layer {wanted!r}; there is, for example, {', '.join(close)}")
    return there[wanted]


@contextmanager
def editing(module: nn.Module, edits: dict[str, Edit]) -> Iterator[None]:
    """While this is open, what layers give (or take, with `:input`) is what `edits` make of it.

    An edit is given the tensor, or the first of several; the others pass as they are.

    Raises:
        SparsightError: there is no such layer; in the forward pass: a layer gives no tensor.
    """
    with ExitStack() as open_hooks:
        for name, edit in edits.items():
            open_hooks.callback(_hook(layer(module, name), name, edit).remove)
        yield


def _hook(part: nn.Module, name: str, edit: Edit) -> RemovableHandle:
    def before(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if args:
            return _edited(args, name, edit), kwargs
        return args, dict(_edited(kwargs, name, edit))

    def after(_: nn.Module, args: Any, output: Any) -> Any:
        return _edited(output, name, edit)

    if name.endswith(INPUT):
        return part.register_forward_pre_hook(before, with_kwargs=True)
    return part.register_forward_hook(after)


def _edited(given: Any, name: str, edit: Edit) -> Any:
    """What was given with its first tensor changed, in the same wrapping."""
    if isinstance(given, Tensor):
        return edit(given)
    if isinstance(given, tuple | list) and given and isinstance(given[0], Tensor):
        first = edit(given[0])
        if hasattr(given, "_replace"):
            return given._replace(**{given._fields[0]: first})  # pyright: ignore[reportAttributeAccessIssue]
        return type(given)([first, *given[1:]])
    if isinstance(given, dict) and given:
        key = next((key for key, value in given.items() if isinstance(value, Tensor)), None)
        if key is not None:
            given[key] = edit(given[key])
            return given
    kind = type(given).__name__
    raise SparsightError(f"the layer {name!r} gives {kind} and no tensor: choose a layer inside or around it")
