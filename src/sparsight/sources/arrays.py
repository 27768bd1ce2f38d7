"""Arrays: files and what is in memory."""

import math
from pathlib import Path
from typing import Any

from sparsight.core import Schema
from sparsight.errors import SparsightError
from sparsight.sources import _given
from sparsight.sources._files import READERS, read
from sparsight.sources._rows import Rows
from sparsight.spec import register

GEOMETRY = "[height, width] or [height, width, channels]"


@register("source", "arrays")
class Arrays(Rows):
    """Rows of numbers, as they are: `.npy` (memory-mapped), `.npz`, `.safetensors`, or arrays in memory.

    Args:
        path: the file.
        data: in its place an array, a tensor or a scipy sparse matrix, [N, D] or [N, height, width(, channels)].
            No recipe can hold it. It is not copied, and it must not change while it is in use.
        weight: a weight for every sample, divided by their mean.
        labels: a label for every sample, anything that can be sorted; None or NaN where a sample has none.
        key: which array of an `.npz` or `.safetensors` file, where it holds several.
        names: of the columns.
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
        columns: tuple[str, ...] | None = None if names is None else tuple(names)
        if path is not None:
            data = read(Path(path), key)
        base = _given.numbers(data, self._what())
        if base.ndim < 2:
            raise SparsightError(f"{self._what()} is a list of {base.shape[0] if base.ndim else 1} numbers: give rows")
        width = math.prod(base.shape[1:])
        if columns is not None and len(columns) != width:
            raise SparsightError(f"{self._what()} has {width} columns and {len(columns)} names: give one for each")
        shape = [int(n) for n in base.shape[1:]] if shape is None and base.ndim > 2 else shape
        if shape is not None and width and (len(shape) not in (2, 3) or min(shape) < 1):
            raise SparsightError(f"a sample of {self._what()} cannot have the shape {shape}: give {GEOMETRY}")
        if shape is not None and math.prod(shape) != width:
            raise SparsightError(f"{self._what()} has {width} columns, which cannot have the shape {shape}")
        classes, indices = _given.classes(labels)
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
            weight=_given.weights(weight),
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
