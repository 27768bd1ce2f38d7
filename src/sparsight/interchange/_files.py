"""Readers of foreign files: tensors by name, and settings. Nothing here runs what a file says."""

import json
import pickle
import warnings
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from sparsight.errors import SparsightError

Tensors = dict[str, Tensor]
SUFFIXES = (".safetensors", ".npz", ".npy", ".pt", ".pth", ".mat")


def tensors(path: Path) -> Tensors:
    """Every array in a file, as it is there.

    `.pt` files are opened with `weights_only=True` and `.npz` ones without pickles, so that nothing in them is run.

    Raises:
        SparsightError: the file is missing, of another kind or damaged, or holds more than arrays.
    """
    if not path.is_file():
        raise SparsightError(f"there are no weights at {str(path)!r}")
    reader = {".safetensors": _safetensors, ".npz": _npz, ".npy": _npy, ".mat": _mat}
    reader |= dict.fromkeys((".pt", ".pth"), _torch)
    suffix = path.suffix.lower()
    if suffix not in reader:
        hint = ": in Keras write np.savez('weights.npz', *model.get_weights())" if suffix in (".h5", ".keras") else ""
        raise SparsightError(f"{str(path)!r} cannot be read as weights; these can, {', '.join(SUFFIXES)}{hint}")
    try:
        return reader[suffix](path)
    except SparsightError:
        raise
    except Exception as error:  # over damaged bytes the readers raise a dozen types, none of them documented
        said = " ".join(str(error).split())[:200]
        raise SparsightError(f"{str(path)!r} is damaged or no {suffix} file ({said}): write it again") from None


def _safetensors(path: Path) -> Tensors:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise SparsightError(f"{str(path)!r} is damaged or no safetensors file ({error}): write it again") from None


def _npz(path: Path) -> Tensors:
    if not zipfile.is_zipfile(path):
        raise ValueError("its table of contents is missing")
    with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
        try:
            return {name: tensor(file[name]) for name in file.files}
        except ValueError as error:
            raise _refused(path, error) from None


def _npy(path: Path) -> Tensors:
    try:
        return {path.stem: tensor(np.load(path, allow_pickle=False))}
    except ValueError as error:
        raise _refused(path, error) from None


def _mat(path: Path) -> Tensors:
    from scipy.io import loadmat

    found = {name: value for name, value in loadmat(path).items() if not name.startswith("__")}
    return {name: tensor(value) for name, value in found.items() if np.asarray(value).dtype.kind in "fiub"}


def _torch(path: Path) -> Tensors:
    try:
        with warnings.catch_warnings():  # it has doubts about files that others wrote, before it refuses them
            warnings.simplefilter("ignore")
            held = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _refused(path, error) from None
    return flat(held, path)


def flat(held: Any, path: Path) -> Tensors:
    """The tensors of a state dict, or of one that is kept under `state_dict`, `model_state_dict` or `model`."""
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(held, Mapping) and isinstance(held.get(key), Mapping):
            held = held[key]
    if isinstance(held, Tensor):
        return {path.stem: held}
    found = {str(name): value for name, value in held.items()} if isinstance(held, Mapping) else {}
    if not any(isinstance(value, Tensor) for value in found.values()):
        raise SparsightError(f"{str(path)!r} holds no tensors by name: save a state_dict")
    return {name: value.detach() for name, value in found.items() if isinstance(value, Tensor)}


def _refused(path: Path, error: Exception) -> SparsightError:
    if "pickle" not in str(error).lower() and not isinstance(error, pickle.UnpicklingError):
        return SparsightError(f"{str(path)!r} is damaged ({' '.join(str(error).split())[:200]}): write it again")
    return SparsightError(
        f"{str(path)!r} holds pickled objects, and reading those runs whatever is in them: it is refused; save arrays "
        "alone, with np.savez, safetensors or torch.save(model.state_dict())"
    )


def tensor(values: Any) -> Tensor:
    """An array as a tensor of its own."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise SparsightError(f"an array of {array.dtype} holds no numbers: give arrays of numbers")
    return torch.from_numpy(np.array(array, order="C"))


def settings(path: Path) -> dict[str, Any]:
    """What a JSON file of settings holds.

    Raises:
        SparsightError: it is missing, damaged or no table.
    """
    if not path.is_file():
        raise SparsightError(f"there is no {path.name} in {str(path.parent)!r}: it says what the weights mean")
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise SparsightError(f"{str(path)!r} is damaged: it is no JSON") from None
    if not isinstance(held, dict):
        raise SparsightError(f"{str(path)!r} holds no settings by name")
    return held


class Named:
    """The tensors of one file, taken by name; at the end none may be left over."""

    def __init__(self, path: Path, held: Tensors | None = None) -> None:
        self.path = path
        self.held = tensors(path) if held is None else held
        self.left = dict(self.held)

    def take(self, name: str, *shape: int | None) -> Tensor:
        """A tensor in float64.

        Args:
            name: its name.
            shape: what it must be; None: any width.

        Raises:
            SparsightError: it is missing, of another shape, or holds NaN or infinity.
        """
        if name not in self.left:
            there = ", ".join(f"{key} {list(value.shape)}" for key, value in sorted(self.held.items()))
            raise SparsightError(f"{str(self.path)!r} has no {name!r}; there is: {there or 'nothing'}")
        found = self.left.pop(name)
        fits = len(found.shape) == len(shape) and all(n in (None, m) for n, m in zip(shape, found.shape, strict=True))
        if not fits:
            wanted = [n or "any" for n in shape]
            raise SparsightError(
                f"{name!r} in {str(self.path)!r} is {list(found.shape)} and not {wanted}, as the other weights ask"
            )
        if not found.isfinite().all():
            raise SparsightError(f"{name!r} in {str(self.path)!r} holds NaN or infinity: the training diverged")
        return found.double()

    def finish(self, kind: str, known: Collection[str] = ()) -> None:
        """Refuse tensors that nobody has taken: what they are for is not known."""
        left = sorted(set(self.left) - set(known))
        if left:
            raise SparsightError(
                f"{str(self.path)!r} holds {', '.join(left)}, which {kind} does not have: is it another?"
            )
