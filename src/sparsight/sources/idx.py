"""MNIST's own file layout."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
import torch

from sparsight.core import Schema, Source
from sparsight.errors import SparsightError
from sparsight.sources._rows import Rows
from sparsight.spec import register


def read_idx(path: Path, rank: int) -> np.ndarray:
    """The bytes in an IDX file, gzipped or not, as an array of the given rank.

    Raises:
        SparsightError: the file is missing, damaged, cut off, or holds something else.
    """
    if not path.is_file():
        raise SparsightError(f"there is no file {str(path)!r}")
    content = path.read_bytes()
    if not content:
        raise SparsightError(f"{str(path)!r} is empty")
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise SparsightError(f"the gzip file {str(path)!r} is damaged or cut off ({error}): get it again") from None
    if len(content) < 4 + 4 * rank or content[:4] != bytes([0, 0, 8, rank]):
        raise SparsightError(f"{str(path)!r} is no IDX file of bytes with {rank} dimensions")
    shape = [int(n) for n in np.frombuffer(content, ">u4", rank, 4)]
    wanted, found = math.prod(shape), len(content) - 4 - 4 * rank
    if found != wanted:
        raise SparsightError(f"{str(path)!r} says it holds {wanted} bytes and holds {found}: it is cut off or damaged")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


@register("source", "idx")
class Idx(Rows):
    """Pictures in the layout of MNIST and its kin, gzipped or not; pixels in [0, 1].

    Args:
        path: the file of images.
        labels: the file of labels; None: the one beside it that is named alike, if it is there.
    """

    pixels = True

    def __init__(self, *, path: str, labels: str | None = None) -> None:
        self.path = Path(path)
        images = read_idx(self.path, 3)
        beside = Path(labels) if labels else self._sibling("images", "labels", "idx3", "idx1")
        found = read_idx(beside, 1) if beside is not None else None
        self._hold(
            torch.from_numpy(images.reshape(len(images), images[0].size if len(images) else 0).copy()),
            Schema(
                n_inputs=int(np.prod(images.shape[1:])),
                shape=images.shape[1:],
                classes=None if found is None else tuple(str(n) for n in range(int(found.max(initial=0)) + 1)),
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
        return {"path": path} if "idx3" in place.name and place.is_file() else None

    def test_part(self) -> Source | None:
        path = self._sibling("train", "t10k")
        return None if path is None else Idx(path=str(path))
