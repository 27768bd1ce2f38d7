"""The optimisers."""

import copy

import torch
from torch import nn

from sparsight.optimise import Adam


def test_adam_is_that_of_torch_bit_for_bit_and_goes_on_from_its_state() -> None:
    dice = torch.Generator().manual_seed(0)
    start = [torch.randn(shape, generator=dice) for shape in ((7, 5), (7,), (3,))]
    ours, theirs = ([nn.Parameter(p.clone()) for p in start] for _ in range(2))
    adam = Adam(ours, lr=1e-2, betas=(0.8, 0.99))
    torchs = torch.optim.Adam(theirs, lr=1e-2, betas=(0.8, 0.99), fused=True)
    for n in range(12):
        gradients = [torch.randn(p.shape, generator=dice) for p in start[:2]]
        for parameters in (ours, theirs):
            for p, gradient in zip(parameters, gradients, strict=False):  # the last one has none, and stays
                p.grad = gradient.clone()
        if n == 6:
            state = copy.deepcopy(adam.state_dict())
            adam = Adam(ours, lr=1.0, betas=(0.5, 0.5))
            adam.load_state_dict(state)
        adam.step(lambda: None)
        torchs.step()
    for p, q in zip(ours, theirs, strict=True):
        assert torch.equal(p, q)
    assert torch.equal(ours[2], start[2])
