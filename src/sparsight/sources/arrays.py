"""Arrays: files and what is in memory."""

import csv
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from sparsight.core import Schema
from sparsight.errors import SparsightError
from sparsight.sources._rows import Rows
from sparsight.spec import register

Names = tuple[str, ...] | None


@register("source", "arrays")
class Arrays(Rows):
    """Rows of numbers, as they are: `.npy` (memory-mapped), `.npz`, `.csv`, `.safetensors`, or arrays in memory.

    Args:
        path: the file.
        data: in its place an array, a tensor or a scipy sparse matrix, [N, D] or [N, height, width(, channels)].
        weight: a weight for every sample.
        labels: a label for every sample, anything that can be sorted.
        key: which array of an `.npz` or `.safetensors` file, where it holds several.
        names: of the columns; those of a `.csv` are read from its first line.
        shape: [height, width(, channels)], where rows are pictures.
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
    ) -> None:
        if (path is None) == (data is None):
            raise SparsightError("arrays takes a path or data in memory: give one of the two")
        self.path = path
        columns: Names = None
        if path is not None:
            data, columns = _read(Path(path), key)
        base = _numbers(data, self._what())
        if base.ndim > 2 and shape is None:
            shape = [int(n) for n in base.shape[1:]]
        if base.ndim < 2:
            raise SparsightError(f"{self._what()} is a list of {base.shape[0] if base.ndim else 1} numbers: give rows")
        base = base.reshape(base.shape[0], math.prod(base.shape[1:]))
        columns = tuple(names) if names is not None else columns
        if columns is not None and len(columns) != base.shape[1]:
            raise SparsightError(
                f"{self._what()} has {base.shape[1]} columns and {len(columns)} names: give one for each"
            )
        if shape is not None and math.prod(shape) != base.shape[1]:
            raise SparsightError(f"{self._what()} has {base.shape[1]} columns, which cannot have the shape {shape}")
        classes, indices = _classes(labels)
        self._hold(
            base,
            Schema(n_inputs=base.shape[1], shape=tuple(shape) if shape else None, names=columns, classes=classes),
            labels=indices,
            weight=_weights(weight),
        )

    def _what(self) -> str:
        return "the data" if self.path is None else self.path

    @classmethod
    def opens(cls, path: str) -> dict[str, str] | None:
        return {"path": path} if Path(path).suffix.lower() in READERS else None


def _numbers(data: Any, what: str) -> Any:
    """A tensor, an array or a CSR matrix of real numbers; no copy is made of what is one already."""
    if hasattr(data, "tocsr"):
        data = data.tocsr()
    elif not isinstance(data, Tensor | np.ndarray):
        data = np.asarray(data)
    complex_or_text = data.dtype.is_complex if isinstance(data, Tensor) else data.dtype.kind not in "fiub"
    if complex_or_text:
        raise SparsightError(f"{what} holds values of type {data.dtype}: convert them to numbers")
    if isinstance(data, Tensor):
        return data.detach().cpu()
    fast = data.dtype in (np.float32, np.float64, np.uint8) and isinstance(data, np.ndarray)
    if fast and data.flags.writeable and not isinstance(data, np.memmap):
        return torch.from_numpy(np.ascontiguousarray(data))
    return data


def _classes(labels: Any) -> tuple[Names, Tensor | None]:
    if labels is None:
        return None, None
    plain = labels.numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    found, indices = np.unique(plain.ravel(), return_inverse=True)
    return tuple(str(name) for name in found), torch.from_numpy(indices.astype(np.int64))


def _weights(weight: Any) -> Tensor | None:
    if weight is None:
        return None
    weights = torch.as_tensor(weight if isinstance(weight, Tensor) else np.array(weight)).to(torch.float64)
    if not weights.isfinite().all() or (weights < 0).any() or not weights.any():
        raise SparsightError("sample weights must be finite, not negative, and not all zero")
    return weights / weights.mean()


def _read(path: Path, key: str | None) -> tuple[Any, Names]:
    if not path.is_file():
        raise SparsightError(f"there is no file {str(path)!r}")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise SparsightError(f"{str(path)!r} cannot be read: these can, {', '.join(READERS)}")
    try:
        return reader(path, key)
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, SafetensorError) as error:
        if isinstance(error, SparsightError):
            raise
        raise SparsightError(f"{str(path)!r} is damaged, cut off or no {path.suffix} file ({error})") from None


def _npy(path: Path, key: str | None) -> tuple[Any, Names]:
    if not path.stat().st_size:
        raise SparsightError(f"{str(path)!r} is empty")
    return np.load(path, mmap_mode="r", allow_pickle=False), None


def _npz(path: Path, key: str | None) -> tuple[Any, Names]:
    with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
        return file[_choose(path, list(file.files), key)], None


def _safetensors(path: Path, key: str | None) -> tuple[Any, Names]:
    with safe_open(path, framework="pt") as file:
        return file.get_tensor(_choose(path, list(file.keys()), key)), None


def _choose(path: Path, there: list[str], key: str | None) -> str:
    if key is None and len(there) == 1:
        return there[0]
    if key not in there:
        asked = "give a key" if key is None else f"there is no {key!r}"
        raise SparsightError(f"{str(path)!r} holds {', '.join(sorted(there)) or 'nothing'}: {asked}")
    assert key is not None
    return key


def _csv(path: Path, key: str | None) -> tuple[Any, Names]:
    """A table whose first line names the columns, unless it is all numbers."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        lines = [(n, line) for n, line in enumerate(csv.reader(file), 1) if line]
    if not lines:
        raise SparsightError(f"{str(path)!r} is empty")
    header = lines[0][1]
    named = any(_number(cell) is None for cell in header)
    names = tuple(cell.strip() for cell in header) if named else tuple(f"column {n}" for n in range(len(header)))
    rows = lines[1:] if named else lines
    table = np.empty((len(rows), len(names)), np.float32)
    for row, (line, cells) in enumerate(rows):
        if len(cells) != len(names):
            raise SparsightError(f"line {line} of {str(path)!r} has {len(cells)} values and not {len(names)}")
        for column, cell in enumerate(cells):
            value = _number(cell)
            if value is None:
                said = f"{cell.strip()!r} is no number: leave the column out or encode it" if cell.strip() else (
                    "a value is missing: fill it in or leave the line out"
                )  # fmt: skip
                raise SparsightError(f"line {line}, column {names[column]!r} of {str(path)!r}: {said}")
            table[row, column] = value
    return table, names


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


READERS = {".npy": _npy, ".npz": _npz, ".csv": _csv, ".safetensors": _safetensors}
