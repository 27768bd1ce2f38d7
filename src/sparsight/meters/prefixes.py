"""How well the first features of a model do without the others."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import torch

from sparsight.core import SAE, Source
from sparsight.errors import SparsightError
from sparsight.meters.quality import Quality


@torch.no_grad()
def quality_of_prefixes(sae: SAE, source: Source, sizes: Sequence[int]) -> dict[int, Quality]:
    """The quality of the first m features alone, for each m: all later codes are 0. In the units of the model.

    Null: a model whose features have no order, in which the explained variance of a part of them is about that of any
    other part.

    Raises:
        SparsightError: sizes do not rise from 1 to at most F.
    """
    if not sizes or sizes[0] < 1 or sizes[-1] > sae.n_latents or any(a >= b for a, b in pairwise(sizes)):
        raise SparsightError(f"sizes must rise from 1 to at most {sae.n_latents}, and they are {list(sizes)}")
    training = sae.training
    sae.eval()
    found = {m: Quality() for m in sizes}
    for batch in source.chunks():
        x, target = sae.units(batch.inputs.to(sae.b_dec), batch.targets)
        weight = batch.weight
        step = sae.run(x, target, weight=None if weight is None else weight.to(x))
        for m, quality in found.items():
            codes = step.codes.prefix(m)
            quality.update(replace(step, codes=codes, recon=sae.decode(codes, x)))
    sae.train(training)
    return found
