"""The numbers of samples in a part of a source."""

from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor

from sparsight.core import Context
from sparsight.shards.surroundings import Surroundings


class Numbers:
    """Which rows the samples of a part are, and back.

    Args:
        order: the row of each sample, [N]; None: all rows, in their order.
    """

    def __init__(self, order: Tensor | None) -> None:
        self.order = order

    @cached_property
    def _sorted(self) -> tuple[Tensor, Tensor]:
        assert self.order is not None
        return self.order.sort(stable=True)

    def words(self, around: Surroundings) -> tuple[Tensor, tuple[str, ...]] | None:
        """The word of every sample, −1 where its text is not known, and the texts; None: there are none."""
        tokens = around.whole("token") if around.kind == "text" else None
        if tokens is None:
            return None
        tokens, texts = tokens if self.order is None else tokens[self.order], tuple(around.words())
        return torch.where((tokens >= 0) & (tokens < len(texts)), tokens, -1), texts

    def context(self, around: Surroundings, id: int, reach: int) -> Context | None:
        """What a sample is a part of, with the numbers that samples have in this part."""
        found = around.around(id if self.order is None else int(self.order[id]), reach)
        if found is None or self.order is None:
            return found
        rows, (ordered, back) = torch.tensor(found.ids), self._sorted
        at = torch.searchsorted(ordered, rows).clamp(max=len(ordered) - 1)
        ids = torch.where(ordered[at] == rows, back[at], -1).tolist()
        ids[found.here] = id
        return replace(found, ids=tuple(ids))
