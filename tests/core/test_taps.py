"""Looking into modules, and changing what passes."""

from typing import Any

import pytest
import torch
from torch import nn

from sparsight.core.taps import Tap, editing
from sparsight.errors import SparsightError


class Wraps(nn.Module):
    """Gives its tensor in some wrapping, with something beside it."""

    def __init__(self, wrapping: str) -> None:
        super().__init__()
        self.wrapping = wrapping

    def forward(self, x: torch.Tensor) -> Any:
        x = 2 * x
        return {"tensor": x, "tuple": (x, "beside"), "list": [x, None], "dict": {"n": 1, "x": x}, "none": None}[
            self.wrapping
        ]


class Chain(nn.Module):
    def __init__(self, wrapping: str = "tensor") -> None:
        super().__init__()
        self.first, self.middle, self.last = nn.Linear(3, 3), Wraps(wrapping), nn.Linear(3, 2)
        self.calls: list[str] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        given = self.middle(self.first(x))
        self.calls.append("middle")
        if isinstance(given, dict):
            given = given["x"]
        elif isinstance(given, tuple | list):
            given = given[0]
        found = self.last(given)
        self.calls.append("last")
        return found


X = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("wrapping", ["tensor", "tuple", "list", "dict"])
def test_what_a_layer_gives_is_seen_in_any_wrapping(wrapping: str) -> None:
    model = Chain(wrapping)
    seen = Tap(model, ["middle"])(X)["middle"]
    assert torch.equal(seen, 2 * model.first(X))


def test_the_input_of_a_layer_is_seen_too() -> None:
    model = Chain()
    seen = Tap(model, ["middle:input", "middle"])(X)
    assert torch.equal(2 * seen["middle:input"], seen["middle"])


def test_the_forward_pass_ends_after_the_last_layer_that_was_asked_for() -> None:
    model = Chain()
    Tap(model, ["first"])(X)
    assert model.calls == []
    Tap(model, ["first", "last"])(X)
    assert model.calls == ["middle"]


def test_no_hook_is_left_behind() -> None:
    model = Chain()
    tap = Tap(model, ["middle"])
    tap(X)
    with pytest.raises(RuntimeError):
        tap(X[:, :2])
    with pytest.raises(ZeroDivisionError), editing(model, {"middle": lambda h: h}):
        raise ZeroDivisionError
    assert all(not part._forward_hooks and not part._forward_pre_hooks for part in model.modules())


@pytest.mark.parametrize("wrapping", ["tensor", "tuple", "list", "dict"])
def test_what_a_layer_gives_can_be_changed_in_any_wrapping(wrapping: str) -> None:
    model = Chain(wrapping)
    with editing(model, {"middle": lambda h: h + 1}):
        changed = model(X)
    assert torch.allclose(changed, model.last(2 * model.first(X) + 1))
    with editing(model, {"middle:input": lambda h: 0 * h}):
        changed = model(X)
    assert torch.allclose(changed, model.last(torch.zeros(4, 3)))


def test_a_layer_that_is_not_there_is_answered_with_those_that_are_like_it() -> None:
    with pytest.raises(SparsightError, match=r"no layer 'midle'; there is, for example, middle"):
        Tap(Chain(), ["midle"])
    with pytest.raises(SparsightError, match="say at which layer"):
        Tap(Chain(), [])


def test_a_layer_that_gives_no_tensor_or_is_never_reached_is_one_sentence() -> None:
    with pytest.raises(SparsightError, match="'middle' gives NoneType and no tensor"):
        Tap(Chain("none"), ["middle"])(X)
    model = Chain()
    model.add_module("unused", nn.Linear(3, 3))
    with pytest.raises(SparsightError, match="never reached unused"):
        Tap(model, ["unused"])(X)
