"""Samples that lie as rows in one array, in memory or mapped from a file."""

import copy
import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparsight.core import Schema, Source
from sparsight.errors import SparsightError

BLOCK = 2**22
"""Values that are read at once, so that many rows take no more memory than their result."""


class Rows(Source):
    """Rows of a base that all parts of a split share; `order` says which, None: all."""

    pixels = False
    """Bytes are pixels: byte / 255."""
    _known: str | None = None
    """The fingerprint, where it was asked for: it takes a pass over all samples."""

    def _hold(
        self,
        base: Any,
        schema: Schema,
        *,
        labels: Tensor | None = None,
        weight: Tensor | None = None,
        targets: Source | None = None,
        groups: Tensor | None = None,
    ) -> None:
        """Keep `base [N, ...]`: a tensor, a NumPy array (mapped or not) or a scipy CSR matrix. It is never copied.

        Raises:
            SparsightError: there are no rows or no columns, or not one label, weight and target for each row.
        """
        n = base.shape[0]
        if not n:
            raise SparsightError(f"{self._what()} holds 0 samples: there is nothing to train on")
        if not schema.n_inputs:
            raise SparsightError(f"{self._what()} holds 0 columns: there is nothing to train on")
        for name, column in (("labels", labels), ("weights", weight), ("targets", targets)):
            if column is not None and len(column) != n:
                raise SparsightError(f"{self._what()} holds {n} samples and {len(column)} {name}: give one for each")
        self.base, self.schema, self.order = base, schema, None
        self._labels, self._weight, self._targets, self._groups = labels, weight, targets, groups

    def _what(self) -> str:
        return "the data"

    def __len__(self) -> int:
        return self.base.shape[0] if self.order is None else len(self.order)

    def gather(self, ids: Tensor) -> Tensor:
        if isinstance(self.base, Tensor) and self.base.dtype == torch.float32:  # nothing to convert block by block
            return self._stored(ids if self.order is None else self.order[ids]).flatten(1)
        rows = torch.empty(len(ids), self.schema.n_inputs)
        for part, block in zip(self._blocks(ids), rows.split(self._height), strict=True):
            block.copy_(_floats(self._stored(part)).reshape(block.shape))
        return rows.div_(255) if self.pixels else rows

    @property
    def _height(self) -> int:
        """Rows of a block."""
        return max(1, BLOCK // self.schema.n_inputs)

    def _blocks(self, ids: Tensor) -> Iterator[Tensor]:
        """The rows of the base behind some samples, a block at a time."""
        yield from (ids if self.order is None else self.order[ids]).split(self._height)

    def _stored(self, ids: Tensor) -> Any:
        """Rows of the base as they are stored."""
        if isinstance(self.base, Tensor):
            return self.base.index_select(0, ids)
        if isinstance(self.base, np.memmap):
            order = ids.argsort().numpy()  # in the order of the file, for the disk's sake
            found = np.asarray(self.base[ids.numpy()[order]])
            rows = np.empty_like(found)
            rows[order] = found
            return rows
        return self.base[ids.numpy()]

    def targets(self, ids: Tensor) -> Tensor | None:
        return None if self._targets is None else self._targets.gather(ids)

    def labels(self) -> Tensor | None:
        return self._labels

    def weights(self) -> Tensor | None:
        return self._weight

    def groups(self) -> Tensor | None:
        return self._groups

    def take(self, ids: Tensor) -> Source:
        part = copy.copy(self)
        part._known = None
        part.order = ids if self.order is None else self.order[ids]
        # picked here, since training asks for the weights of every batch
        part._labels = None if self._labels is None else self._labels[ids]
        part._weight = None if self._weight is None else self._weight[ids]
        part._groups = None if self._groups is None else self._groups[ids]
        part._targets = None if self._targets is None else self._targets.take(ids)
        return part

    def fingerprint(self) -> str:
        """SHA-256 of the type, the shape and the stored bytes of the samples, and of their weights and targets."""
        self._known = self._known or self._hash()
        return self._known

    def _hash(self) -> str:
        kind = str(self.base.dtype).removeprefix("torch.")
        hasher = hashlib.sha256(f"{kind} {len(self)} {self.schema.shape or self.schema.n_inputs}".encode())
        for ids in self._blocks(torch.arange(len(self))):
            for part in _bytes(self._stored(ids)):
                hasher.update(part)
        weights = self.weights()
        if weights is not None:
            hasher.update(weights.numpy().tobytes())
        if self._targets is not None:
            hasher.update(self._targets.fingerprint().encode())
        return hasher.hexdigest()


def _floats(stored: Any) -> Tensor:
    """Stored rows as a tensor that can be copied into one of float32."""
    if isinstance(stored, Tensor):
        return stored
    dense = stored.toarray() if hasattr(stored, "toarray") else stored
    with np.errstate(over="ignore"):  # beyond float32 is infinite, which the trainer refuses with the sample's number
        return torch.from_numpy(np.asarray(dense, dtype=np.float32))


def _bytes(stored: Any) -> Iterator[bytes]:
    if isinstance(stored, Tensor):
        yield stored.contiguous().view(torch.uint8).numpy().tobytes()
    elif hasattr(stored, "indptr"):
        for part in (stored.indptr, stored.indices, stored.data):
            yield part.tobytes()
    else:
        yield stored.tobytes()
