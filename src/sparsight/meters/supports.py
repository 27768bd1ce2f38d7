"""Whether features fire where what they stand for is there."""

import torch
from torch import Tensor

from sparsight.core import Codes
from sparsight.errors import SparsightError
from sparsight.meters.merging import Sums, fires, ones


class Supports(Sums):
    """F1 of the firing of matched features, streaming and in float64.

    For an atom and its feature, with the numbers of samples in which the first, the second and both fire:
    precision = both / feature, recall = both / atom, F1 = 2 both / (atom + feature), which is 0 where neither ever
    fires. Null: two that fire as often, and independently of each other.

    Args:
        atom: [m], of the true codes.
        feature: [m], of the learned codes; −1 where an atom has none.
    """

    def __init__(self, atom: Tensor, feature: Tensor) -> None:
        super().__init__()
        if atom.shape != feature.shape or atom.ndim != 1:
            raise SparsightError(f"{len(atom)} atoms and {len(feature)} features are no pairs: give as many of both")
        self.atom, self.feature = atom, feature

    @torch.no_grad()
    def update(self, truth: Codes, codes: Codes, weight: Tensor | None = None) -> None:
        """Add samples: what they are made of, and what the model says."""
        if len(truth) != len(codes):
            raise SparsightError(f"{len(truth)} samples have a known answer and {len(codes)} have codes: give the same")
        w, true, learned = ones(codes, weight), fires(truth, self.atom), fires(codes, self.feature)
        self.add(samples=w.sum(), atom=w @ true, feature=w @ learned, both=w @ (true * learned))

    @property
    def f1(self) -> Tensor:
        """Of each pair, [m]."""
        return _quotient(2 * self["both"], self["atom"] + self["feature"])

    @property
    def null(self) -> Tensor:
        """The F1 of two that fire as often, and independently of each other, [m]."""
        atom, feature = self["atom"], self["feature"]
        return _quotient(2 * atom * feature / self["samples"], atom + feature)

    def result(self) -> dict[str, float]:
        """Means over pairs.

        Raises:
            SparsightError: nothing was measured.
        """
        return {
            "f1": float(self.f1.mean()),
            "precision": float(_quotient(self["both"], self["feature"]).mean()),
            "recall": float(_quotient(self["both"], self["atom"]).mean()),
            "null.f1": float(self.null.mean()),
        }


class Absorption(Sums):
    """How often a parent's feature keeps silent where a child's one fires (Chanin et al. 2024), streaming.

    For each child c with parent p, over the samples in which c is there (and p with it):
    absorption = P( feature of p is silent and feature of c fires | c ). Its null is how often the parent's feature
    misses anyhow, P( feature of p is silent | p without any of its children ); absorption above it says that the
    child's feature has swallowed the parent's. The original also demands, by ablation, that the child's feature does
    the parent's work; where the truth is known, its match is enough.

    Args:
        feature: [L], the feature that stands for each label; −1 where there is none, and the label is left out.
        parent: [L], the parent of each label; −1: it has none.
    """

    def __init__(self, feature: Tensor, parent: Tensor) -> None:
        super().__init__()
        if feature.shape != parent.shape or feature.ndim != 1:
            raise SparsightError(f"{len(feature)} labels have a feature and {len(parent)} a parent: give as many")
        known = (parent >= 0) & (feature >= 0) & (feature[parent.clamp(min=0)] >= 0)
        if not known.any():
            raise SparsightError("no label has a feature and a parent with a feature: there is nothing to be absorbed")
        self.feature, self.parent = feature, parent
        self.child = known.nonzero().squeeze(1)

    @torch.no_grad()
    def update(self, truth: Codes, codes: Codes, weight: Tensor | None = None) -> None:
        """Add samples: the labels that each has, [B, L], and what the model says."""
        w, there, parent = ones(codes, weight), fires(truth, torch.arange(len(self.parent))), self.parent[self.child]
        with_child = torch.zeros_like(there)
        some = (self.parent >= 0).nonzero().squeeze(1)
        with_child.index_add_(1, self.parent[some], there[:, some])
        alone = (there * (with_child == 0))[:, parent]
        silent = 1 - fires(codes, self.feature[parent])
        absorbed = there[:, self.child] * silent * fires(codes, self.feature[self.child])
        self.add(
            child=w @ there[:, self.child], absorbed=w @ absorbed, alone=w @ alone, missed=w @ (alone * silent)
        )  # fmt: skip

    @property
    def rate(self) -> Tensor:
        """Absorption of each child with a parent, in the order of `child`; NaN where it was never there."""
        return self["absorbed"] / self["child"]

    def result(self) -> dict[str, float]:
        """Means over children that were there.

        Raises:
            SparsightError: nothing was measured.
        """
        return {
            "absorption": float(self.rate.nanmean()),
            "null.absorption": float((self["missed"] / self["alone"]).nanmean()),
        }


def _quotient(part: Tensor, whole: Tensor) -> Tensor:
    """part / whole, 0 where both are 0."""
    return part / torch.where(whole == 0, 1.0, whole)
