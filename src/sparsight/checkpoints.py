"""The state of a training as files: tensors as safetensors, all else as JSON."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from sparsight.core import SAE

DAMAGED = (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError)
"""What reading a checkpoint raises where a file is missing or damaged."""


def write(state: Mapping[str, Any], folder: Path) -> None:
    """Write nested plain values and tensors into a folder."""
    tensors: dict[str, Tensor] = {}
    (folder / "state.json").write_text(json.dumps(_pack(state, "state", tensors)) + "\n", encoding="utf-8")
    save_file(tensors, folder / "tensors.safetensors")


def read(folder: Path) -> dict[str, Any]:
    """What `write` wrote."""
    return _unpack(_plain(folder), load_file(folder / "tensors.safetensors").__getitem__)


def model(folder: Path) -> tuple[int, SAE]:
    """The step and the model, in evaluation mode, of a trainer's state; no other tensors are read."""
    entries = dict(_plain(folder)["dict"])
    with safe_open(folder / "tensors.safetensors", framework="pt") as file:
        weights = _unpack(entries["sae"], file.get_tensor)
    sae = SAE.from_description(_unpack(entries["model"], _no_tensor))
    sae.load_state_dict(weights)
    return entries["number"], sae.eval()


def _plain(folder: Path) -> Any:
    return json.loads((folder / "state.json").read_text(encoding="utf-8"))


def _no_tensor(path: str) -> Tensor:
    raise KeyError(path)


def _pack(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """Nested plain values as JSON; tensors go into `tensors` and leave their path."""
    if isinstance(value, Tensor):
        tensors[path] = value.detach().cpu().contiguous().clone()
        return {"tensor": path}
    if isinstance(value, Mapping):
        return {"dict": [[k, _pack(v, f"{path}/{k}", tensors)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        return {"list": [_pack(v, f"{path}/{n}", tensors) for n, v in enumerate(value)]}
    if isinstance(value, float):
        return {"float": value.hex()}
    return value


def _unpack(value: Any, tensor: Callable[[str], Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    if kind == "tensor":
        return tensor(inner).clone()  # aligned in memory: else sums run in another order, and bits differ
    if kind == "dict":
        return {k: _unpack(v, tensor) for k, v in inner}
    return float.fromhex(inner) if kind == "float" else [_unpack(v, tensor) for v in inner]
