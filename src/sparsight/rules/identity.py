"""D14: a perfect reconstruction that says nothing."""

from sparsight.core import Finding, Number
from sparsight.rules._rule import Case, Rule
from sparsight.spec import register


@register("rule", "identity")
class Identity(Rule):
    """Samples are rebuilt nearly perfectly from codes that are not sparse: the network copies.

    Args:
        unexplained: the share of the variance that is left.
        sparse: the population sparsity (Treves & Rolls 1991) of the codes.
    """

    id, stage = "D14", 4
    explains = ("dense", "noise-filters", "frozen-inputs", "unstable", "display")
    cause = "There are enough features to copy the input, and nothing that forbids it: no sparsity, no noise."
    fix = "Ask for sparse codes, or hide a part of the input."

    def __init__(self, *, unexplained: float = 0.1, sparse: float = 0.6) -> None:
        self.unexplained, self.sparse = unexplained, sparse

    def __call__(self, case: Case) -> Finding | None:
        look = case.look
        assert look is not None
        left, dense = look.unexplained, look.population < self.sparse
        if left is None or left >= self.unexplained or not dense:
            return None
        said = (
            f"{1 - left:.1%} of the variance is rebuilt from codes that are not sparse (population sparsity "
            f"{look.population:.2f}): the network copies its input"
        )
        numbers = (
            Number(name="unexplained", value=left, limit=self.unexplained, null=1.0),
            Number(name="population sparsity", value=look.population, limit=self.sparse, null=0.0),
        )
        return self.find("red", said, *numbers, changes=["architecture=topk"] if case.recipe is not None else [])
