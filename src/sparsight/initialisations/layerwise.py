"""Every layer of a stack by itself."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor

from sparsight.core import SAE, Facts, Initialisation, Sampler
from sparsight.errors import SparsightError
from sparsight.run import Run
from sparsight.spec import build, register

_SAMPLES = 8192
"""From which it is known what the codes of a layer are like."""


@register("initialisation", "layerwise")
class Layerwise(Initialisation):
    """Each layer as its own architecture starts, on the codes of those below; or where a run has ended.

    An autoencoder that is no stack is one layer.

    Args:
        runs: the folder of a run for each layer, from the samples up; its weights are taken, and those of its
            preprocessing and activation.

    Raises:
        SparsightError: a run that has not ended or does not fit, or data with which the first would not have been
            preprocessed as it was.
    """

    def __init__(self, *, runs: list[str] | None = None) -> None:
        self.runs = runs

    @torch.no_grad()
    def __call__(self, sae: SAE, sample: Sampler, facts: Facts, seed: int) -> None:
        if self.runs is None:
            for layer, drawn in _upwards(sae, sample):
                known = facts if layer is sae.layers[0] else _facts(layer, drawn(_SAMPLES), facts)
                build("architecture", layer.architecture).initialisation(layer, drawn, known, seed)
            return
        if len(self.runs) != len(sae.layers):
            raise SparsightError(
                f"layerwise has {len(self.runs)} runs and the model {len(sae.layers)} layers: give one for each"
            )
        for n, (layer, run) in enumerate(zip(sae.layers, self.runs, strict=True)):
            trained = Run.open(run).sae()
            preprocess = layer.preprocess if n else sae.preprocess
            try:
                for name in ("encoder", "activation", "decoder"):
                    getattr(layer, name).load_state_dict(getattr(trained, name).state_dict())
                fitted = {key: value.clone() for key, value in preprocess.state_dict().items()}
                preprocess.load_state_dict(trained.preprocess.state_dict())
            except RuntimeError:
                raise SparsightError(
                    f"the weights of {run!r} do not fit layer {n + 1} of this model: give the run that it was made from"
                ) from None
            if not n and not all(torch.allclose(fitted[key], value) for key, value in preprocess.state_dict().items()):
                raise SparsightError(
                    f"these are not the data that {run!r} was trained on: its preprocessing is another"
                )

    @torch.no_grad()
    def begin(self, sae: SAE, sample: Sampler) -> None:
        if self.runs is None:
            for layer, drawn in _upwards(sae, sample):
                super().begin(layer, drawn)


def _upwards(sae: SAE, sample: Sampler) -> Iterator[tuple[SAE, Sampler]]:
    """Each layer and what it sees, with those below as they are when it is asked for."""
    yield sae.layers[0], sample
    for below, layer in pairwise(sae.layers):
        codes = below.encode(sample(_SAMPLES)).dense()
        layer.preprocess.fit(lambda codes=codes: iter([codes]), layer.schema)
        sample = _Above(sample, below, layer)
        yield layer, sample


class _Above(Sampler):
    """Samples as a layer sees them."""

    def __init__(self, sample: Sampler, below: SAE, layer: SAE) -> None:
        self.sample, self.below, self.layer = sample, below, layer

    def __call__(self, n: int) -> Tensor:
        return self.layer.preprocess(self.below.encode(self.sample(n)).dense())

    def pairs(self, n: int) -> tuple[Tensor, Tensor]:
        x = self(n)
        return x, x


def _facts(layer: SAE, x: Tensor, facts: Facts) -> Facts:
    """What is known of what a layer sees."""
    exact = x.double()
    return replace(
        facts,
        schema=layer.schema,
        mean=exact.mean(0),
        variance=exact.var(0, correction=0),
        low=float(x.min()),
        high=float(x.max()),
        row_sum_error=float((exact.sum(1) - 1).abs().max()),
    )
