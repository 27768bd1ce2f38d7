"""Reading shards: any rows of any column, without mapping them, so that memory does not grow with what was read."""

import hashlib
import os
import sys
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from sparsight.errors import SparsightError
from sparsight.shards.index import TYPES, Folder, column_name

OPEN = 512
"""Files that are open at once: half of what a process usually may."""
PROBED, SLOW = 8, 2e-5
"""Reads that are timed, and the seconds from which on each of them comes from a disk and not from memory."""
_CHUNK = 2**22


class Shards:
    """The rows of a folder of shards, numbered through: the writers by name, the shards of each in order.

    Mapped pages would count as memory of the process, and a training touches all of them. So rows are read by their
    place in the file, those that follow each other at once.
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.starts = np.array([*(part.start for part in folder.parts), len(folder)], np.int64)
        self._open: OrderedDict[tuple[str, int], int] = OrderedDict()
        self._lock = threading.Lock()  # a file that one thread reads is not closed by another
        weakref.finalize(self, _close, self._open)

    def __len__(self) -> int:
        return len(self.folder)

    def read(self, column: str, ids: np.ndarray) -> Tensor:
        """Some rows of a column as they are stored, [n, width] or [n]."""
        row_bytes, n = self.folder.columns[column].row_bytes, len(ids)
        order = None if (ids[1:] > ids[:-1]).all() else np.argsort(ids, kind="stable")
        there = ids if order is None else ids[order]
        shard = np.searchsorted(self.starts, there, "right") - 1
        first = np.flatnonzero(np.r_[n > 0, (there[1:] != there[:-1] + 1) | (shard[1:] != shard[:-1])])
        length = (np.diff(np.r_[first, n]) * row_bytes).tolist()
        offset = ((there[first] - self.starts[shard[first]]) * row_bytes).tolist()
        runs = list(zip(shard[first].tolist(), length, offset, strict=True))
        with self._lock:
            content = bytearray().join(self._contents(column, runs))
        rows = self._stored(content, column, n)
        return rows if order is None else torch.empty_like(rows).index_copy_(0, torch.from_numpy(order), rows)

    def whole(self, column: str) -> Tensor:
        """All rows of a column."""
        kind = self.folder.columns[column]
        content = bytearray(len(self) * kind.row_bytes)
        into = memoryview(content)
        for number, (start, stop) in enumerate(pairwise((self.starts * kind.row_bytes).tolist())):
            with self._lock:
                into[start:stop] = self._run(column, number, stop - start, 0)
        return self._stored(content, column, len(self))

    def _stored(self, content: bytearray, column: str, n: int) -> Tensor:
        """Rows from their bytes."""
        kind = self.folder.columns[column]
        dtype, shape = TYPES[kind.type], (n,) if kind.width is None else (n, kind.width)
        if not n:
            return torch.empty(shape, dtype=dtype)
        plain = torch.frombuffer(content, dtype=torch.uint8)
        if sys.byteorder == "big":
            plain = plain.view(-1, dtype.itemsize).flip(1).contiguous().flatten()
        return plain.view(dtype).view(shape)

    def _contents(self, column: str, runs: list[tuple[int, int, int]]) -> Iterator[bytes]:
        """Bytes of the file of a column: (shard, how many, from where) of each.

        Where the first of them come slowly, from a disk, all others are announced, so that it can read many at once.
        """
        begin = time.perf_counter()
        for done, (number, size, at) in enumerate(runs):
            if done == PROBED and time.perf_counter() - begin > PROBED * SLOW and hasattr(os, "posix_fadvise"):
                for shard, length, offset in runs[done:]:
                    os.posix_fadvise(self._handle(column, shard), offset, length, os.POSIX_FADV_WILLNEED)
            yield self._run(column, number, size, at)

    def _run(self, column: str, number: int, size: int, at: int) -> bytes:
        handle = self._handle(column, number)
        found = _pread(handle, size, at)
        while len(found) < size:
            more = _pread(handle, size - len(found), at + len(found))
            if not more:
                place = self.folder.file(self.folder.parts[number], column)
                raise SparsightError(f"{str(place)!r} was cut off while it was read: copy it again")
            found += more
        return found

    def _handle(self, column: str, number: int) -> int:
        handle = self._open.get((column, number))
        if handle is None:
            part = self.folder.parts[number]
            place = os.path.join(self.folder.path, column_name(part.writer, part.number, column))
            try:
                handle = os.open(place, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            except OSError as error:
                raise SparsightError(f"{place!r} cannot be read: {error.strerror}") from None
            self._open[column, number] = handle
            if len(self._open) > OPEN:
                os.close(self._open.popitem(last=False)[1])
        return handle


def check(folder: Folder, tell: Callable[[int], None] | None = None) -> None:
    """Compare every file with its checksum.

    Args:
        folder: whose.
        tell: is told of the bytes that were read since it was last.

    Raises:
        SparsightError: a file is damaged; the sentence names it, or the first few.
    """
    damaged = []
    for place, _, sha256 in folder.files():
        hasher = hashlib.sha256()
        with place.open("rb", buffering=0) as file:
            while content := file.read(_CHUNK):
                hasher.update(content)
                if tell is not None:
                    tell(len(content))
        if hasher.hexdigest() != sha256:
            damaged.append(place)
    if damaged:
        names = ", ".join(repr(str(place)) for place in damaged[:5])
        raise SparsightError(
            f"{len(damaged)} files of shards are damaged, and do not have their checksums ({names}"
            f"{', ...' if len(damaged) > 5 else ''}): copy them again, or write them anew"
        )


def _pread(handle: int, size: int, at: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(handle, size, at)
    os.lseek(handle, at, os.SEEK_SET)  # Windows
    return os.read(handle, size)


def _close(handles: OrderedDict[tuple[str, int], int]) -> None:
    for handle in handles.values():
        os.close(handle)
