"""Known features in real data."""

import copy
import hashlib
import json
import math
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from sparsight.core import Codes, Context, Source, generator
from sparsight.errors import SparsightError
from sparsight.meters.moments import Moments
from sparsight.sources._hashing import hashed, uniform
from sparsight.spec import build, register

_DIRECTIONS, _FIRES, _SIZES, _PLACES = range(21, 25)


@register("source", "planted")
class Planted(Source):
    """x + Σ_j c_j d_j: the samples of another source, with a few random directions d_j of length one added to some.

    Each is added to a random share of the samples, independently of all else, with c² = `size` · E‖x − mean‖² on
    average and c spread uniformly from a half to one and a half of its middle. Which, and how much, is a function of
    (seed, the sample's number). Shape, names, labels and weights are those of the source; `truth` and `codes` are what
    was planted. A model that finds features finds these; `meters.recovery.recovery` tells.

    Args:
        source: a source, its name, or its name and knobs.
        n: how many directions.
        share: of the samples that have each.
        size: the power of one where it is, over that of the data.
        window: where samples are pictures, the radius in pixels, one standard deviation, of what is planted: smooth
            noise under a Gaussian window, at a random place, the likelier the more samples differ there. None: each
            direction is independent normal numbers, which no recipe finds that asks for smooth or local features.
        seed: of the directions and of where they are.
    """

    def __init__(
        self,
        *,
        source: Any,
        n: Annotated[int, Field(ge=1)] = 8,
        share: Annotated[float, Field(gt=0, lt=1)] = 0.02,
        size: Annotated[float, Field(gt=0)] = 0.25,
        window: Annotated[float, Field(gt=0)] | None = None,
        seed: Annotated[int, Field(ge=0)] = 0,
    ) -> None:
        self.source: Source = source if isinstance(source, Source) else build("source", source)
        self.schema, self.stored, self.finite = self.source.schema, self.source.stored, self.source.finite
        self.share, self.seed = share, seed
        self._described = {"n": n, "share": share, "size": size, "seed": seed}
        moments = Moments(self.schema.n_inputs)
        for batch in self.source.glance().chunks():
            moments.update(batch.inputs, weight=batch.weight)
        power = float(moments.variance.sum())
        if not power:
            raise SparsightError("all samples are equal: there is no power that what is planted could be a share of")
        random = torch.randn(n, self.schema.n_inputs, generator=generator(seed, _DIRECTIONS))
        if window is not None:
            self._described["window"] = window
            random = _local(random, self.schema.shape, moments.variance, window, seed)
        self.directions = functional.normalize(random, dim=1)
        self.middle = math.sqrt(size * power / (13 / 12))  # E m² = 13/12 for m uniform on [½, 1½]
        self._numbers = torch.arange(len(self.source))

    def __len__(self) -> int:
        return len(self.source)

    def gather(self, ids: Tensor) -> Tensor:
        return self.source.gather(ids) + self.codes(ids).dense() @ self.directions

    def truth(self) -> Tensor:
        """What was planted, [n, D]: rows of length one."""
        return self.directions

    def codes(self, ids: Tensor) -> Codes:
        """How much of it is in some samples, [B, n]."""
        number, n = self._numbers[ids].numpy()[:, None], np.arange(len(self.directions))
        there = uniform(hashed(self.seed, _FIRES, number, n)) < self.share
        values = self.middle * (0.5 + uniform(hashed(self.seed, _SIZES, number, n)))
        return Codes(torch.from_numpy(np.where(there, values, 0.0)).float(), len(self.directions))

    def weights(self) -> Tensor | None:
        return self.source.weights()

    def labels(self) -> Tensor | None:
        return self.source.labels()

    def groups(self) -> Tensor | None:
        return self.source.groups()

    def context(self, id: int, reach: int = 12) -> Context | None:
        return self.source.context(id, reach)

    def words(self) -> tuple[Tensor, tuple[str, ...]] | None:
        return self.source.words()

    def take(self, ids: Tensor) -> "Planted":
        return self._over(self.source.take(ids), self._numbers[ids])

    def test_part(self) -> "Planted | None":
        test = self.source.test_part()
        # numbers from the other end: a sample of the test part shares its luck with none that was trained on
        return None if test is None else self._over(test, -1 - torch.arange(len(test)))

    def _over(self, source: Source, numbers: Tensor) -> "Planted":
        part = copy.copy(self)
        part.source, part._numbers = source, numbers
        return part

    def fingerprint(self) -> str:
        """SHA-256 of what was planted and where, and of the samples below."""
        hasher = hashlib.sha256(json.dumps([self._described, self.middle.hex(), self.source.fingerprint()]).encode())
        hasher.update(self._numbers.numpy().astype("<i8").tobytes())
        return hasher.hexdigest()


def plant(
    source: Source,
    *,
    n: int = 8,
    share: float = 0.02,
    size: float = 0.25,
    window: float | None = None,
    seed: int = 0,
) -> Planted:
    """Known features in the samples of a source; see `Planted`.

    Raises:
        SparsightError: all samples are equal, or a window is asked for where they are no pictures.
    """
    return Planted(source=source, n=n, share=share, size=size, window=window, seed=seed)


def _local(random: Tensor, shape: tuple[int, ...] | None, variance: Tensor, window: float, seed: int) -> Tensor:
    """Noise, smoothed by a pixel, under a Gaussian window around a pixel that is drawn by its variance, [n, D]."""
    if shape is None:
        raise SparsightError("these samples are no pictures, and have no window: leave it out")
    pictures = random.unflatten(1, (*shape[:2], -1))  # [n, H, W, C]
    rows, columns = (torch.arange(size, dtype=torch.float32) for size in shape[:2])
    across, down = torch.fft.fftfreq(shape[1]), torch.fft.fftfreq(shape[0])
    blur = torch.exp(-2 * math.pi**2 * (down[:, None] ** 2 + across**2))
    smooth = torch.fft.ifft2(torch.fft.fft2(pictures, dim=(1, 2)) * blur[:, :, None], dim=(1, 2)).real
    per_pixel = variance.view(*shape[:2], -1).sum(2).flatten()
    centre = torch.multinomial(per_pixel, len(random), True, generator=generator(seed, _PLACES))
    y, x = (place[:, None, None] for place in (centre // shape[1], centre % shape[1]))
    far = (rows[:, None] - y) ** 2 + (columns - x) ** 2
    return (smooth * torch.exp(-far / (2 * window**2))[..., None]).flatten(1)
