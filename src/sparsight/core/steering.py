"""Features changed in what a layer gives."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sparsight.errors import SparsightError

if TYPE_CHECKING:
    from sparsight.core.sae import SAE


def steering(
    sae: "SAE", features: Sequence[int], *, by: float | None, to: float | None, channels_first: bool, skip: int
) -> Callable[[Tensor], Tensor]:
    """The edit of `SAE.steer`: it takes what a layer gives, and gives it changed.

    Raises:
        SparsightError: no such feature, or none or both of `by` and `to`; in the edit: a layer of another width.
    """
    wrong = [j for j in features if not 0 <= j < sae.n_latents]
    if wrong or not features:
        raise SparsightError(f"there is no feature {wrong[0] if wrong else ''}: they go from 0 to {sae.n_latents - 1}")
    if (by is None) == (to is None):
        raise SparsightError("steering adds (by) or clamps (to): give one of the two")
    if not math.isfinite(by if to is None else to):  # pyright: ignore[reportArgumentType]
        raise SparsightError(f"a feature cannot be steered by {by if to is None else to}: give a finite number")
    if to is not None and sae.schema.n_targets is not None:
        raise SparsightError("the codes of a transcoder are of another layer than the one it adds to: steer it with by")
    rows = sae.rows(torch.tensor(features))  # [n, D]

    @torch.no_grad()
    def change(h: Tensor) -> Tensor:
        if by is not None:
            return (by * rows.sum(0)).to(h)
        flat = h.reshape(-1, h.shape[-1]).to(sae.b_dec)
        training = sae.training
        sae.eval()
        try:
            codes = sae.transform(flat).dense()[:, features]
        finally:
            sae.train(training)
        assert to is not None
        return ((to - codes) @ rows.to(codes)).to(h).view_as(h)

    def edit(given: Tensor) -> Tensor:
        h = given.movedim(1, -1) if channels_first else given
        if h.shape[-1] != rows.shape[1]:
            raise SparsightError(f"the layer gives rows of {h.shape[-1]}, and the features have {rows.shape[1]}")
        added = h + change(h)
        if skip and h.ndim == 3 and h.shape[1] > 1:
            added = torch.cat([h[:, :skip], added[:, skip:]], dim=1)
        return added.movedim(-1, 1) if channels_first else added

    return edit
