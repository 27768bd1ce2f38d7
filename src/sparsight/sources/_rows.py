"""Samples that lie as rows in one array, in memory or mapped from a file."""

import copy
import hashlib
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparsight.core import Schema, Source
from sparsight.errors import SparsightError

BLOCK = 4096
"""Rows that are read at once, so that many take no more memory than their result."""


class Rows(Source):
    """Rows of a base that all parts of a split share; `order` says which, None: all."""

    pixels = False
    """Bytes are pixels: byte / 255."""

    def _hold(self, base: Any, schema: Schema, *, labels: Tensor | None = None, weight: Tensor | None = None) -> None:
        """Keep `base [N, D]`: a tensor, a NumPy array (mapped or not) or a scipy CSR matrix."""
        n = base.shape[0]
        if not n:
            raise SparsightError(f"{self._what()} holds 0 samples: there is nothing to train on")
        if not schema.n_inputs:
            raise SparsightError(f"{self._what()} holds 0 columns: there is nothing to train on")
        for name, column in (("labels", labels), ("weights", weight)):
            if column is not None and len(column) != n:
                raise SparsightError(f"{self._what()} holds {n} samples and {len(column)} {name}: give one for each")
        self.base, self.schema, self.order = base, schema, None
        self._labels, self._weight = labels, weight

    def _what(self) -> str:
        return "the data"

    def __len__(self) -> int:
        return self.base.shape[0] if self.order is None else len(self.order)

    def gather(self, ids: Tensor) -> Tensor:
        ids = ids if self.order is None else self.order[ids]
        rows = torch.empty(len(ids), self.base.shape[1])
        for part, block in zip(ids.split(BLOCK), rows.split(BLOCK), strict=True):
            block.copy_(self._read(part))
        return rows.div_(255) if self.pixels else rows

    def _read(self, ids: Tensor) -> Tensor:
        """Rows of the base as they are stored."""
        if isinstance(self.base, Tensor):
            return self.base.index_select(0, ids)
        if isinstance(self.base, np.memmap):
            order = ids.argsort()  # in the order of the file, for the disk's sake
            found = np.asarray(self.base[ids[order].numpy()], dtype=np.float32)
            return torch.from_numpy(found)[order.argsort()]
        picked = self.base[ids.numpy()]
        picked = picked.toarray() if hasattr(picked, "toarray") else picked
        return torch.from_numpy(np.asarray(picked, dtype=np.float32))

    def labels(self) -> Tensor | None:
        return self._picked(self._labels)

    def weights(self) -> Tensor | None:
        return self._picked(self._weight)

    def _picked(self, column: Tensor | None) -> Tensor | None:
        return column if column is None or self.order is None else column[self.order]

    def take(self, ids: Tensor) -> Source:
        part = copy.copy(self)
        part.order = ids if self.order is None else self.order[ids]
        return part

    def fingerprint(self) -> str:
        hasher = hashlib.sha256(f"{len(self)} {self.schema.n_inputs}".encode())
        for ids in torch.arange(len(self)).split(4096):
            hasher.update(self.gather(ids).numpy().tobytes())
        weights = self.weights()
        if weights is not None:
            hasher.update(weights.numpy().tobytes())
        return hasher.hexdigest()
