"""Features picked one after the other."""

import torch
from torch import Tensor
from torch.nn import functional

from sparsight.activations.topk import TopK
from sparsight.core import Activation, Codes, Decoder, Sizes
from sparsight.errors import SparsightError

GRAM = 8192
"""Features up to which all inner products of rows are held at once."""


class Pursuit(Activation):
    """k times: j = argmax (W_dec r)_j, a = (W_dec r)_j, r ← r − a W_dec_j, until no a is positive; codes_j = Σ a.

    With pre = W_dec (x − b_dec), r itself is not needed: W_dec r falls by a W_dec W_dec_j. The features J that a sample
    picks are found without a graph; gradients pass through their a alone, which solve (1 + L) a = pre_J with L the part
    of W_J W_Jᵀ below its diagonal.

    Args:
        k: how many steps; None: √D, and at most a quarter of the features.
        tolerance: stop as well once ‖r‖ is below this.
        repeat: go on after a step that picks a feature again.
    """

    def __init__(self, *, k: int | None, tolerance: float = 0.0, repeat: bool = True) -> None:
        super().__init__()
        self.asked, self.tolerance, self.repeat = k, tolerance, repeat

    def setup(self, sizes: Sizes) -> None:
        same = TopK(k=self.asked)
        same.setup(sizes)
        self.k = same.k

    def forward(self, pre: Tensor) -> Codes:
        raise NotImplementedError("what is left over depends on the decoder: use select")

    def select(self, pre: Tensor, decoder: Decoder, x: Tensor | None = None) -> Codes:
        rows = decoder.weight
        residual = None
        if self.tolerance:
            if x is None:
                raise SparsightError("in a stack a matching pursuit cannot stop at a tolerance: set tolerance=0")
            residual = (x - decoder.bias).detach()
        gram = rows @ rows.T if len(rows) <= min(GRAM, self.k * len(pre)) else None
        picked, made, sizes = self._path(pre.detach(), rows.detach(), None if gram is None else gram.detach(), residual)
        if not torch.is_grad_enabled() and self.k**2 * len(pre) > GRAM**2:  # products that nothing needs
            return _added_up(sizes, picked, made, pre.shape[1])
        if gram is None:
            chosen = functional.embedding(picked, rows)  # [B, k, D]
            products = chosen @ chosen.mT
        else:
            products = gram[picked[:, :, None], picked[:, None]]
        below, first = products.tril(-1), pre.gather(1, picked)
        sizes = torch.linalg.solve_triangular(below, first[:, :, None], upper=False, unitriangular=True).squeeze(2)
        return _added_up(sizes.relu(), picked, made, pre.shape[1])  # rounding may leave one below 0

    def _path(
        self, pre: Tensor, rows: Tensor, gram: Tensor | None, residual: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Which feature each step picks, whether the step was made, and its a, each [B, k]."""
        left, picked, made, sizes = pre.clone(), [], [], []
        going = pre.new_ones(len(pre), dtype=torch.bool)
        had = None if self.repeat else torch.zeros_like(pre, dtype=torch.bool)
        for _ in range(self.k):
            size, feature = left.max(dim=1)
            going = going & (size > 0)
            fall = rows[feature] @ rows.T if gram is None else gram[feature]
            left.addcmul_(fall, size.relu()[:, None], value=-1)
            picked.append(feature)
            made.append(going)
            sizes.append(size)
            if had is not None:
                going = going & ~had.gather(1, feature[:, None]).squeeze(1)
                had.scatter_(1, feature[:, None], True)
            if residual is not None:
                residual = residual - size.relu()[:, None] * rows[feature]
                going = going & (residual.norm(dim=1) >= self.tolerance)
            if not going.any():
                break
        return torch.stack(picked, 1), torch.stack(made, 1), torch.stack(sizes, 1)


def _added_up(sizes: Tensor, picked: Tensor, made: Tensor, n_latents: int) -> Codes:
    """Ragged codes, with the steps that picked the same feature in one."""
    samples = torch.arange(len(sizes), device=sizes.device)[:, None]
    places, where = (samples * n_latents + picked)[made].unique(return_inverse=True)
    values = sizes.new_zeros(len(places)).index_add(0, where, sizes[made])
    counts = torch.bincount(places // n_latents, minlength=len(sizes))
    return Codes(values, n_latents, places % n_latents, functional.pad(counts.cumsum(0), (1, 0)))
