"""Rectified codes."""

from torch import Tensor

from sparsight.core import Activation, Codes


class ReLU(Activation):
    """codes = max(pre, 0)."""

    def forward(self, pre: Tensor) -> Codes:
        return Codes(pre.relu(), pre.shape[1])
