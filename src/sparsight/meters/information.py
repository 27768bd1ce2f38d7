"""What the firing of a feature says of the label."""

import math

import torch
from torch import Tensor

from sparsight.core import Codes
from sparsight.errors import SparsightError
from sparsight.meters.merging import Sums, ones


class Information(Sums):
    """I = Σ_f,c p(f, c) log₂( p(f, c) / p(f) p(c) ) in bits, of each feature's firing f (yes or no) with the label c.

    Streaming and in float64; at most 1, and at most the entropy of the labels. Null: where the two are independent, n
    samples and C classes give (C − 1) / (2 n ln 2) on average (Miller 1955).

    Args:
        n_classes: C.
    """

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.n_classes = n_classes

    @torch.no_grad()
    def update(self, codes: Codes, labels: Tensor, weight: Tensor | None = None) -> None:
        """Add samples with their labels, [B], 0 to C − 1; those with −1 are left out."""
        if labels.shape != (len(codes),):
            raise SparsightError(f"{len(codes)} samples need one label each, not the shape {tuple(labels.shape)}")
        w = ones(codes, weight)
        of_class = w * (labels.cpu() == torch.arange(self.n_classes)[:, None])
        on = codes.map(lambda values: (values != 0).double())
        fired = torch.stack([on.per_feature_sum(each) for each in of_class.to(codes.values.device)])
        self.add(fired=fired.T, of_class=of_class.sum(1))

    @property
    def bits(self) -> Tensor:
        """I of each feature, [F]; 0 where there are no samples."""
        total = self["of_class"].sum()
        label = self["of_class"] / total
        joint = torch.stack([self["fired"], self["of_class"] - self["fired"]]) / total  # [2, F, C]
        apart = joint.sum(2, keepdim=True) * label
        logs = torch.where(joint > 0, joint / torch.where(apart > 0, apart, 1.0), 1.0).log2()
        return (joint * logs).sum((0, 2)).nan_to_num(0.0)

    @property
    def null(self) -> float:
        """What independence gives on average; infinite without samples."""
        n = float(self["of_class"].sum())
        return (int((self["of_class"] > 0).sum()) - 1) / (2 * n * math.log(2)) if n else math.inf

    def result(self) -> dict[str, float]:
        """The mean over features, and the largest.

        Raises:
            SparsightError: nothing was measured.
        """
        bits = self.bits
        return {
            "mutual_information": float(bits.mean()),
            "most_information": float(bits.max()),
            "null.mutual_information": self.null,
        }
