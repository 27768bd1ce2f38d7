"""The squared error of nested prefixes of the features."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

from pydantic import Field
from torch import Tensor

from sparsight.core import SAE, Codes, Facts, SampleTerm, Step
from sparsight.core.term import Part
from sparsight.errors import SparsightError
from sparsight.kernels import sparse
from sparsight.spec import register
from sparsight.terms.squared_error import half_squares

Prefixes = list[Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, le=1)]]
HALVES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)


def prefix_sizes(prefixes: Sequence[int | float] | None, n_latents: int) -> list[int]:
    """How many features each prefix has. Shares that come to the same number are one prefix.

    Args:
        prefixes: numbers of features, or as floats shares of them, rounded up; None: 1/16, 1/8, 1/4, 1/2 and all.
        n_latents: F.

    Raises:
        SparsightError: they do not rise, or do not end with all features.
    """
    asked = HALVES if prefixes is None else prefixes
    sizes = [n if isinstance(n, int) else max(1, -int(-n * n_latents // 1)) for n in asked]
    nested = all(a < b or (a == b and isinstance(asked[i], float)) for i, (a, b) in enumerate(pairwise(sizes)))
    if not sizes or not nested or sizes[-1] != n_latents:
        raise SparsightError(
            f"prefixes must rise and end with all {n_latents} features, and {list(asked)} are {sizes} of them: "
            "give rising numbers, or shares such as [0.25, 0.5, 1.0]"
        )
    return sorted(set(sizes))


@register("term", "nested_error")
class NestedError(SampleTerm):
    """E_b[ 1/G Σ_g ½ ‖target_b − recon_b^g‖² ], with recon^g from the first m_g features alone, m_1 < ... < m_G = F.

    The features of a prefix must do without the later ones, so general ones come first and special ones later (Bussmann
    et al. 2025). The mean over the G prefixes is the only division: with one prefix it is `squared_error`. The last
    prefix is the reconstruction itself, and for the others every code is decoded once, in sums that go on.

    Args:
        prefixes: numbers of features, or as floats shares of them; the last is all. None: 1/16, 1/8, 1/4, 1/2 and all.

    Raises:
        SparsightError: prefixes that do not nest.
    """

    needs: frozenset[Part] = frozenset({"recon", "codes", "weights"})
    moves = ("W_enc", "b_enc", "W_dec", "b_dec")

    def __init__(self, *, weight: float = 1.0, prefixes: Prefixes | None = None, warmup: float = 0.0) -> None:
        super().__init__()
        self.weight, self.prefixes, self.warmup = weight, prefixes, warmup

    def check(self, sae: SAE, facts: Facts) -> None:
        prefix_sizes(self.prefixes, sae.n_latents)

    def per_sample(self, step: Step, sae: SAE) -> Tensor:
        *ends, _ = prefix_sizes(self.prefixes, sae.n_latents)
        errors = half_squares(step.recon, step.target)
        logits = sae.decoder(Codes.none(len(step.codes), sae.n_latents, step.codes.values), step.x)
        for part in group_sums(step.codes, sae.W_dec, ends):
            logits = logits + part
            errors = errors + half_squares(sae.finish(logits), step.target)
        return errors / (len(ends) + 1)


def group_sums(codes: Codes, rows: Tensor, ends: Sequence[int]) -> Sequence[Tensor]:
    """What the features from the end of one group to that of the next add up to, [B, D_out] for each."""
    if codes.is_dense or not ends:
        return [codes.values[:, low:high] @ rows[low:high] for low, high in pairwise([0, *ends])]
    nothing = rows.new_zeros(rows.shape[1])
    return sparse.decode(codes.grouped(ends), rows, nothing).split(len(codes))
