"""Sites in one unit."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from sparsight.core import Schema
from sparsight.preprocess.affine import Affine
from sparsight.spec import register


@register("preprocess", "scale_sites")
class ScaleSites(Affine):
    """x^s = raw^s / s_s with one number for each site s, so that E‖x^s − mean^s‖² = D_s: else large sites are all.

    Without sites it is `scale`. A site where all samples are equal is left as it is.
    """

    wide = True

    def fit(self, stream: Callable[[], Iterator[Tensor]], schema: Schema) -> None:
        variance = self.measure(stream, schema).variance
        spreads = [part.mean().sqrt().expand(part.shape[1]) for part in schema.at_sites(variance[None]).values()]
        spread = torch.cat(spreads)
        self.spread.copy_(torch.where(spread > 0, spread, 1.0))
