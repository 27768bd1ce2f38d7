"""D23: samples in their order."""

import torch

from sparsight.core import Finding, Number
from sparsight.meters.moments import precise
from sparsight.rules._look import principal
from sparsight.rules._rule import Case, Rule
from sparsight.spec import register

BLOCKS = 20
COMPONENTS = 32


@register("rule", "order")
class Order(Rule):
    """The model knows the last samples best, and they are unlike the others: it saw them last, without a shuffle.

    Each sample's error is held against that of PCA with 32 components, which has no last sample; compared are the last
    twentieth and the others. And blocks of neighbouring samples have other means than random blocks have.

    Args:
        better: the relative error of the last samples, over that of the others, below which they are known better.
        unlike: the variance between the means of 20 blocks, as a multiple of that of random blocks.
    """

    id, stage, needs = "D23", 1, ("look", "ordered")
    explains = (
        "overfit", "dead", "dense", "noise-filters", "unstable", "target-missed", "penalty-per-activation",
        "penalty-dominates", "duplicates", "frozen-inputs", "filters-collapsed", "not-learning",
    )  # fmt: skip
    cause = "Samples lie in an order, such as by class, and training took them as they lie."
    fix = "Shuffle the samples in every epoch."

    def __init__(self, *, better: float = 0.75, unlike: float = 3.0) -> None:
        self.better, self.unlike = better, unlike

    def __call__(self, case: Case) -> Finding | None:
        look = case.look
        assert look is not None
        if not case.ordered or look.errors is None or look.n < 20 * BLOCKS:
            return None
        x = precise(look.x) - precise(look.x).mean(0)
        between, chance = _between(x), _between(x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))])
        vectors, _ = principal(x, min(COMPONENTS, max(1, x.shape[1] // 2)))
        left = x - x @ vectors.T @ vectors
        usual = left.square().sum(1)
        relative = look.errors / usual.clamp(min=1e-9 * float(x.square().sum(1).mean()))
        last = look.n // BLOCKS
        ratio = float(relative[-last:].median() / relative[:-last].median().clamp(min=1e-300))
        if between < self.unlike * chance or ratio > self.better:
            return None
        said = (
            f"samples lie in an order, and the last ones are rebuilt with {ratio:.0%} of the error of the others: "
            "training saw them last"
        )
        numbers = (
            Number(
                name="error of the last samples",
                value=ratio,
                limit=self.better,
                null=1.0,
                about="over that of the others, each over PCA's",
            ),
            Number(name="difference between blocks", value=between / max(chance, 1e-300), limit=self.unlike, null=1.0),
        )
        return self.find("red", said, *numbers)


def _between(x: torch.Tensor) -> float:
    """The variance between the means of blocks of neighbours."""
    return float(torch.stack([block.mean(0) for block in x.tensor_split(BLOCKS)]).var(0).sum())
