from typing import cast

import torch
from torch import Tensor

from sparsight.layers.linear import CentredLinear


def doubles(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(len(shape)))


def test_the_centred_layer_and_its_gradients_are_those_of_its_formula() -> None:
    given = [doubles(5, 4), doubles(3, 4), doubles(3), doubles(4)]
    mine, written = ([t.clone().requires_grad_() for t in given] for _ in range(2))
    pre = cast(Tensor, CentredLinear.apply(*mine))
    x, weight, bias, centre = written
    formula = (x - centre) @ weight.T + bias
    torch.testing.assert_close(pre, formula)
    pre.square().sum().backward()
    formula.square().sum().backward()
    for ours, theirs in zip(mine, written, strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)


def test_the_gradient_of_the_centred_layer_can_itself_be_differentiated() -> None:
    inputs = [t.requires_grad_() for t in (doubles(5, 4), doubles(3, 4), doubles(3), doubles(4))]
    assert torch.autograd.gradgradcheck(CentredLinear.apply, inputs)
