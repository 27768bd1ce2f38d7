"""Arrays: files and what is in memory."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparsight.core import Schema
from sparsight.errors import SparsightError
from sparsight.sources._files import READERS, Names, read
from sparsight.sources._rows import Rows
from sparsight.spec import register

GEOMETRY = "[height, width] or [height, width, channels]"


@register("source", "arrays")
class Arrays(Rows):
    """Rows of numbers, as they are: `.npy` (memory-mapped), `.npz`, `.csv`, `.safetensors`, or arrays in memory.

    Args:
        path: the file.
        data: in its place an array, a tensor or a scipy sparse matrix, [N, D] or [N, height, width(, channels)].
            No recipe can hold it. It is not copied, and it must not change while it is in use.
        weight: a weight for every sample, divided by their mean.
        labels: a label for every sample, anything that can be sorted; None or NaN where a sample has none.
        key: which array of an `.npz` or `.safetensors` file, where it holds several.
        names: of the columns; those of a `.csv` are read from its first line.
        shape: [height, width(, channels)], where rows are pictures.
        target: what a transcoder makes of each sample, where that is not the sample: a file or an array of as many
            rows. Rows as wide as the inputs have their shape.
    """

    def __init__(
        self,
        *,
        path: str | None = None,
        data: Any = None,
        weight: Any = None,
        labels: Any = None,
        key: str | None = None,
        names: list[str] | None = None,
        shape: list[int] | None = None,
        target: Any = None,
    ) -> None:
        if (path is None) == (data is None):
            raise SparsightError("arrays takes a path or data in memory: give one of the two")
        self.path = path
        columns: Names = None
        if path is not None:
            data, columns = read(Path(path), key)
        base = _numbers(data, self._what())
        if base.ndim < 2:
            raise SparsightError(f"{self._what()} is a list of {base.shape[0] if base.ndim else 1} numbers: give rows")
        width = math.prod(base.shape[1:])
        columns = tuple(names) if names is not None else columns
        if columns is not None and len(columns) != width:
            raise SparsightError(f"{self._what()} has {width} columns and {len(columns)} names: give one for each")
        shape = [int(n) for n in base.shape[1:]] if shape is None and base.ndim > 2 else shape
        if shape is not None and width and (len(shape) not in (2, 3) or min(shape) < 1):
            raise SparsightError(f"a sample of {self._what()} cannot have the shape {shape}: give {GEOMETRY}")
        if shape is not None and math.prod(shape) != width:
            raise SparsightError(f"{self._what()} has {width} columns, which cannot have the shape {shape}")
        classes, indices = _classes(labels)
        targets = None if target is None else self._pair(target, width, shape)
        self._hold(
            base,
            Schema(
                n_inputs=width,
                n_targets=None if targets is None else targets.schema.n_inputs,
                target_shape=None if targets is None else targets.schema.shape,
                shape=tuple(shape) if shape else None,
                names=columns,
                classes=classes,
            ),
            labels=indices,
            weight=_weights(weight),
            targets=targets,
        )

    @staticmethod
    def _pair(target: Any, width: int, shape: list[int] | None) -> "Arrays":
        """The targets as a source of their own."""
        path, data = (str(target), None) if isinstance(target, str | Path) else (None, target)
        found = Arrays(path=path, data=data)
        alike = found.schema.shape is None and found.schema.n_inputs == width
        return Arrays(path=path, data=data, shape=shape) if alike else found

    def _what(self) -> str:
        return "the data" if self.path is None else self.path

    @classmethod
    def opens(cls, path: str) -> dict[str, str] | None:
        return {"path": path} if Path(path).suffix.lower() in READERS and Path(path).is_file() else None


def _numbers(data: Any, what: str) -> Any:
    """A tensor, an array or a CSR matrix of real numbers; no copy is made of what is one already."""
    if hasattr(data, "tocsr"):
        data = data.tocsr()
    elif not isinstance(data, Tensor | np.ndarray):
        try:
            data = np.asarray(data)
        except ValueError:
            raise SparsightError(f"the rows of {what} have different lengths: give each the same columns") from None
    if isinstance(data, Tensor):
        if data.layout is not torch.strided:
            raise SparsightError(f"{what} is a sparse tensor: give a scipy sparse matrix or a dense tensor")
        data = data.detach().cpu()
    if data.dtype.is_complex if isinstance(data, Tensor) else data.dtype.kind not in "fiub":
        raise SparsightError(f"{what} holds values of type {data.dtype}: convert them to numbers")
    # torch is the faster reader, but it warns of what cannot be written and refuses steps backwards
    if isinstance(data, np.memmap) or not isinstance(data, np.ndarray):
        return data
    fast = data.flags.c_contiguous and data.flags.writeable and data.dtype in (np.float32, np.float64, np.uint8)
    return torch.from_numpy(data) if fast else data


def _classes(labels: Any) -> tuple[Names, Tensor | None]:
    if labels is None:
        return None, None
    kind = object if isinstance(labels, list | tuple) else None  # else NaN among text would become text
    plain = labels.detach().cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels, kind)
    plain = plain.ravel()
    missing = np.zeros(len(plain), bool)
    if plain.dtype.kind in "fO":
        missing = np.array([label is None or label != label for label in plain], bool)
    indices = np.full(len(plain), -1)
    try:
        found, indices[~missing] = np.unique(plain[~missing], return_inverse=True)
    except TypeError:
        raise SparsightError("labels of different types cannot be sorted: make all of them text or numbers") from None
    return tuple(str(name) for name in found), torch.from_numpy(indices.astype(np.int64))


def _weights(weight: Any) -> Tensor | None:
    if weight is None:
        return None
    numbers = _numbers(weight, "the list of sample weights")
    weights = torch.as_tensor(numbers if isinstance(numbers, Tensor) else np.array(numbers, np.float64))
    weights = weights.to(torch.float64).flatten()
    if not weights.isfinite().all() or (weights < 0).any() or not weights.any():
        raise SparsightError("sample weights must be finite, not negative, and not all zero")
    return weights / weights.mean()
