"""Codes between 0 and 1."""

from torch import Tensor

from sparsight.core import Activation, Codes


class Sigmoid(Activation):
    """codes = 1 / (1 + exp(−pre)): every feature fires in every sample, more or less."""

    bounds = (0.0, 1.0)
    homogeneous = False
    closed_form = True

    def forward(self, pre: Tensor) -> Codes:
        return Codes(pre.sigmoid(), pre.shape[1])

    def pull_back(self, codes: Codes, of_codes: Tensor) -> Tensor:
        return of_codes.mul_(codes.values * (1 - codes.values))
