from typing import cast

import torch
from torch import Tensor

from sparsight.terms.squared_error import HalfSquares


def test_half_squares_and_their_gradients_are_those_of_the_formula() -> None:
    dice = torch.Generator().manual_seed(0)
    given = [torch.randn(5, 4, dtype=torch.float64, generator=dice) for _ in range(2)]
    given[1][2] = given[0][2]  # a sample without any error
    mine, written = ([t.clone().requires_grad_() for t in given] for _ in range(2))
    found = cast(Tensor, HalfSquares.apply(*mine))
    formula = 0.5 * (written[0] - written[1]).square().sum(1)
    torch.testing.assert_close(found, formula)
    found.square().sum().backward()
    formula.square().sum().backward()
    for ours, theirs in zip(mine, written, strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)
    assert torch.autograd.gradgradcheck(HalfSquares.apply, mine)
