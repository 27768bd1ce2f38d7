"""The codes of a run."""

import copy
import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sparsight.core import Context, Schema, Source
from sparsight.errors import SparsightError
from sparsight.run import Run
from sparsight.spec import build, register

HELD = 2**25
"""Codes up to which all are computed once and held; above, those of a batch when it is asked for."""
_CHUNK = 1024
"""Samples that are encoded at once."""


@register("source", "codes")
class CodesOfRun(Source):
    """What the model of a run makes of samples, [N, F]: what a second autoencoder can be trained on.

    Codes are those of evaluation, the same each time. Labels, classes, weights and the test part are those of the
    samples; the number of a feature is a place in no picture, so there is no geometry. With the seed and the
    `train.hold_out` of the run, a training on its codes holds the same samples out.

    Args:
        run: the folder of a run that has ended.
        source: the samples, in place of those that the run was trained on: a source, its name, or its name and knobs.

    Raises:
        SparsightError: there is no such run, it has not ended, or its model does not fit the samples.
    """

    def __init__(self, *, run: str, source: Any = None) -> None:
        opened = Run.open(run)
        self.sae = opened.sae().requires_grad_(False)
        self.weights_sha256 = hashlib.sha256((opened.path / "model.safetensors").read_bytes()).hexdigest()
        if source is None:
            source = opened.source()
        samples: Source = source if isinstance(source, Source) else build("source", source)
        if samples.schema.n_inputs != self.sae.n_inputs:
            raise SparsightError(
                f"samples of {samples.schema.n_inputs} inputs do not fit the model of {run!r}, which has "
                f"{self.sae.n_inputs}: give the data that it was made for"
            )
        self.schema = Schema(n_inputs=self.sae.n_latents, classes=samples.schema.classes)
        self._of(samples)

    def _of(self, samples: Source) -> None:
        self.source, self._places = samples, torch.arange(len(samples))
        self._held = self._encoded(self._places) if len(samples) * self.schema.n_inputs <= HELD else None

    @classmethod
    def opens(cls, path: str) -> dict[str, str] | None:
        return {"run": path} if (Path(path) / "manifest.json").is_file() else None

    def __len__(self) -> int:
        return len(self.source)

    def gather(self, ids: Tensor) -> Tensor:
        return self._encoded(ids) if self._held is None else self._held[self._places[ids]]

    @torch.no_grad()
    def _encoded(self, ids: Tensor) -> Tensor:
        rows = torch.empty(len(ids), self.schema.n_inputs)
        for part, block in zip(ids.split(_CHUNK), rows.split(_CHUNK), strict=True):
            block.copy_(self.sae.transform(self.source.gather(part)).dense())
        return rows

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

    def take(self, ids: Tensor) -> Source:
        part = copy.copy(self)
        part.source, part._places = self.source.take(ids), self._places[ids]
        return part

    def test_part(self) -> Source | None:
        test = self.source.test_part()
        if test is None:
            return None
        part = copy.copy(self)
        part._of(test)
        return part

    def fingerprint(self) -> str:
        """SHA-256 of the model and of the samples; codes themselves differ in their last bits between machines."""
        return hashlib.sha256(f"{self.weights_sha256} {self.source.fingerprint()}".encode()).hexdigest()
