"""The digits that ship with the package."""

from pathlib import Path
from typing import Literal

import numpy as np
import torch

from sparsight.core import Schema, Source
from sparsight.sources._rows import Rows
from sparsight.spec import register

FILE = Path(__file__).parent / "data" / "digits.npz"


@register("source", "digits")
class Digits(Rows):
    """10,000 handwritten digits of MNIST's training file, or 2,000 of its test file, 28 × 28 pixels in [0, 1].

    1,000 (200) of each class in random order, with labels.
    Source: Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database of handwritten digits, CC BY-SA 3.0.

    Args:
        part: `train` or `test`.
    """

    pixels = True

    def __init__(self, *, part: Literal["train", "test"] = "train") -> None:
        self.part = part
        with np.load(FILE) as file:
            images, labels, index = (file[f"{part}_{what}"] for what in ("images", "labels", "index"))
        self._index = index.astype(np.int64)
        self._hold(
            torch.from_numpy(images.reshape(len(images), -1)),
            Schema(n_inputs=28 * 28, shape=(28, 28), classes=tuple("0123456789")),
            labels=torch.from_numpy(labels.astype(np.int64)),
        )

    @property
    def index(self) -> np.ndarray:
        """The place of each sample in MNIST's own file, [N]."""
        return self._index if self.order is None else self._index[self.order.numpy()]

    @classmethod
    def opens(cls, path: str) -> dict[str, str] | None:
        return {} if path == "digits" else None

    def test_part(self) -> Source | None:
        return Digits(part="test") if self.part == "train" else None
