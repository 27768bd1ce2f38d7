"""Rectified codes."""

from torch import Tensor

from sparsight.core import Activation, Codes


class ReLU(Activation):
    """codes = max(pre, 0)."""

    closed_form = True

    def forward(self, pre: Tensor) -> Codes:
        return Codes(pre.relu(), pre.shape[1])

    def pull_back(self, codes: Codes, of_codes: Tensor) -> Tensor:
        return of_codes.mul_(codes.values.sign())  # 0 or 1; several times faster than a comparison
