"""Why features are dead."""

import torch
from torch import Tensor
from torch.nn import functional

CAUSES = ("alive", "bias too negative", "never among the k", "duplicate")
PARALLEL = 0.95
"""Rows with a larger cosine are duplicates."""
BLOCK = 1024
"""Dead features that are compared with the living ones at a time."""


def causes(fires: Tensor, positive: Tensor, rows: Tensor) -> Tensor:
    """Numbers of `CAUSES`, [F], int8: the first of these that holds for a feature that never fires,

    - `duplicate`: the cosine of its row and that of a living feature is above .95, which takes what it would explain;
    - `bias too negative`: its pre-activation is positive in no sample;
    - `never among the k`: it is positive somewhere, but never kept.

    Args:
        fires: whether each feature fires in any sample, [F].
        positive: whether its pre-activation is positive in any, [F]; only read where it does not fire.
        rows: of the decoder, [F, D].
    """
    found = torch.where(positive, 2, 1).to(torch.int8)
    found[fires] = 0
    unit = functional.normalize(rows.detach().double(), dim=1)
    living = unit[fires]
    if len(living):
        for some in (~fires).nonzero().squeeze(1).split(BLOCK):
            found[some[(unit[some] @ living.T).amax(1) > PARALLEL]] = 3
    return found
