"""What is handed in, as tensors: rows of numbers, labels and weights."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparsight.errors import SparsightError


def numbers(data: Any, what: str) -> Any:
    """A tensor, an array or a CSR matrix of real numbers; no copy is made of what is one already.

    Raises:
        SparsightError: rows of different lengths, sparse tensors, tables with named columns, or no real numbers.
    """
    if hasattr(data, "tocsr"):
        data = data.tocsr()
    elif hasattr(data, "__arrow_c_stream__") and hasattr(data, "columns"):
        raise SparsightError(f"{what} is a table with named columns: give it to the source `tables`")
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


def classes(labels: Any) -> tuple[tuple[str, ...] | None, Tensor | None]:
    """The names of labels, sorted, and each sample's place among them, [N]; −1 where it is None or NaN.

    Raises:
        SparsightError: labels of types that cannot be compared.
    """
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


def weights(given: Any) -> Tensor | None:
    """Weights with a mean of 1, [N], float64.

    Raises:
        SparsightError: they are no finite numbers of at least 0, or all are 0.
    """
    if given is None:
        return None
    plain = numbers(given, "the list of sample weights")
    found = torch.as_tensor(plain if isinstance(plain, Tensor) else np.array(plain, np.float64))
    found = found.to(torch.float64).flatten()
    if not found.isfinite().all() or (found < 0).any() or not found.any():
        raise SparsightError("sample weights must be finite, not negative, and not all zero")
    return found / found.mean()
