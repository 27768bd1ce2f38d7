"""What labels say of codes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sparsight.claims._case import MEASURED, Case
from sparsight.comparison import labelled, some
from sparsight.core import SAE, Source, generator
from sparsight.meters.probe import probe_misses

FEWEST = 20
"""Labelled samples that are needed on either side."""
RIDGE = 1e-3
"""Of the mean square of the codes."""
MOST = 4_096
"""Features of a readout."""
ORDERS = 20
"""Random orders of the labels."""
_PURPOSE = 61


@dataclass(frozen=True)
class Labelled:
    """Labelled samples to learn from and others to be judged on."""

    known: Source
    judged: Source

    def whole(self) -> Tensor:
        """The raw samples to learn from, [n, D]."""
        return torch.cat([batch.inputs for batch in self.known.chunks()])

    def misses(self, encode: Callable[[Tensor], Tensor]) -> np.ndarray:
        """Which of the judged samples a probe on codes gets wrong, [m], bool."""
        (codes, labels), (test_codes, test_labels) = (_encoded(part, encode) for part in (self.known, self.judged))
        return probe_misses(codes, labels, test_codes, test_labels)


@dataclass(frozen=True)
class Readout:
    """What features do to a linear reading of classes from codes, [F] each; NaN where a feature never fires."""

    effect: np.ndarray
    """E_fires[ |code| ] · std over classes of the feature's weights."""
    null: np.ndarray
    """The 95 % quantile of the same with labels in random order."""


def parts_of(case: Case, most: int = MEASURED) -> Labelled | None:
    """The labelled samples of a run, up to `most` on either side; None where there are too few or none held out."""
    if not case.held_out:
        return None
    known, judged = labelled(case.training), labelled(case.measured)
    if known is None or judged is None or min(len(known), len(judged)) < FEWEST:
        return None
    return Labelled(some(known, most), some(judged, most))


def codes_of(sae: SAE) -> Callable[[Tensor], Tensor]:
    """Raw samples to dense codes."""

    @torch.no_grad()
    def encode(raw: Tensor) -> Tensor:
        return sae.transform(raw.to(sae.b_dec)).dense().cpu()

    return encode


def readout(case: Case) -> Readout | None:
    """Least squares from codes to classes; None where there are no labels, or more than 4,096 features."""
    parts = parts_of(case)
    if parts is None or case.sae.n_latents > MOST:
        return None
    codes, labels = _encoded(parts.known, codes_of(case.sae))
    codes = codes.double()
    centred, y = codes - codes.mean(0), functional.one_hot(labels).double()
    gram = centred.T @ centred
    gram.diagonal().add_(RIDGE * gram.diagonal().mean().clamp_min(1e-30))
    orders = [torch.randperm(len(y), generator=generator(_PURPOSE, n)) for n in range(ORDERS)]
    goals = torch.cat([y, *(y[order] for order in orders)], 1)
    read = torch.linalg.solve(gram, centred.T @ (goals - goals.mean(0)))  # [F, (1 + orders) · classes]
    fires = codes != 0
    size = codes.abs().sum(0) / fires.sum(0)
    effect = size[:, None] * read.unflatten(1, (-1, y.shape[1])).std(dim=2, correction=0)
    return Readout(effect[:, 0].numpy(), effect[:, 1:].quantile(0.95, dim=1).numpy())


def _encoded(source: Source, encode: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    labels = source.labels()
    assert labels is not None
    return torch.cat([encode(batch.inputs) for batch in source.chunks()]), labels
