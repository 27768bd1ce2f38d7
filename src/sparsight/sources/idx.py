"""MNIST's own file layout."""

import gzip
import math
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sparsight import downloads
from sparsight.core import Schema, Source
from sparsight.errors import SparsightError
from sparsight.sources._rows import Rows
from sparsight.spec import register

GZIP_LIMIT = 1032
"""No byte of a gzip file unpacks to more bytes than these."""
CHUNK = 2**20


def read_idx(path: Path, rank: int) -> np.ndarray:
    """The bytes in an IDX file, gzipped or not, as an array of the given rank; read straight into it.

    Raises:
        SparsightError: the file is missing, damaged, cut off, or holds something else.
    """
    if not path.is_file():
        raise SparsightError(f"there is no file {str(path)!r}")
    size = path.stat().st_size
    if not size:
        raise SparsightError(f"{str(path)!r} is empty")
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not packed:
            return _unpacked(file, path, rank, size)
        try:
            with gzip.open(file) as unpacked:
                return _unpacked(unpacked, path, rank, GZIP_LIMIT * size)
        except (OSError, EOFError, zlib.error) as error:
            raise SparsightError(f"the gzip file {str(path)!r} is damaged or cut off ({error}): get it again") from None


def _unpacked(file: Any, path: Path, rank: int, at_most: int) -> np.ndarray:
    head = file.read(4 + 4 * rank)
    if len(head) < 4 + 4 * rank or head[:4] != bytes([0, 0, 8, rank]):
        raise SparsightError(f"{str(path)!r} is no IDX file of bytes with {rank} dimensions")
    shape = [int(n) for n in np.frombuffer(head, ">u4", rank, 4)]
    wanted = math.prod(shape)
    # a file that claims more than it can hold must not claim memory
    found = bytearray(wanted if wanted <= at_most else 0)
    n = 0
    while got := file.readinto(memoryview(found)[n : n + CHUNK]):
        n += got
    if n != wanted or file.read(1):
        raise SparsightError(f"{str(path)!r} does not hold the {wanted} bytes that it says: it is cut off or damaged")
    return np.frombuffer(found, np.uint8).reshape(shape)


@register("source", "idx")
class Idx(Rows):
    """Pictures in the layout of MNIST and its kin, gzipped or not; pixels in [0, 1].

    Args:
        path: the file of images, or the name of a data set that `sparsight data get` fetched.
        labels: the file of labels; None: the one beside it that is named alike, if it is there.
    """

    pixels = True

    def __init__(self, *, path: str, labels: str | None = None) -> None:
        known = downloads.known(path, "idx")
        self.path = Path(path) if known is None else known.path()
        images = read_idx(self.path, 3)
        beside = Path(labels) if labels else self._sibling("images", "labels", "idx3", "idx1")
        found = read_idx(beside, 1) if beside is not None else None
        self._hold(
            torch.from_numpy(images.reshape(len(images), math.prod(images.shape[1:]))),
            Schema(
                n_inputs=int(np.prod(images.shape[1:])),
                shape=images.shape[1:],
                classes=None if found is None else (known and known.classes) or _counted(found),
            ),
            labels=None if found is None else torch.from_numpy(found.astype(np.int64)),
        )

    def _what(self) -> str:
        return str(self.path)

    def _sibling(self, *change: str) -> Path | None:
        """The file beside this one whose name differs by the given replacements, if it is there."""
        name = self.path.name
        for old, new in zip(change[::2], change[1::2], strict=True):
            name = name.replace(old, new)
        if name == self.path.name:  # else the same file, packed or not, would pass for its own sibling
            return None
        plain = name.removesuffix(".gz")
        beside = (self.path.with_name(n) for n in (name, plain, f"{plain}.gz"))
        return next((path for path in beside if path.is_file()), None)

    @classmethod
    def opens(cls, path: str) -> dict[str, str] | None:
        place = Path(path)
        if place.is_dir():
            found = [file for file in sorted(place.glob("train*idx3*")) if file.is_file()]
            return {"path": str(found[0])} if found else None
        fits = "idx3" in place.name and place.is_file()
        return {"path": path} if fits or downloads.known(path, "idx") is not None else None

    def test_part(self) -> Source | None:
        path = self._sibling("train", "t10k")
        if path is None:
            return None
        test = Idx(path=str(path))
        test.schema = replace(test.schema, classes=self.schema.classes)
        return test


def _counted(labels: np.ndarray) -> tuple[str, ...]:
    return tuple(str(n) for n in range(int(labels.max(initial=0)) + 1))
