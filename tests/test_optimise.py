"""The optimisers."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn
from toys import toy_job, toy_source

from sparsight.errors import SparsightError
from sparsight.job import Recipe, train
from sparsight.optimise import Adam, TrainConfig, learning_rate


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


def test_the_learning_rate_follows_width_and_steps_where_none_is_given() -> None:
    sae = toy_job("topk").sae  # 16 inputs
    assert learning_rate(TrainConfig(lr=0.5), sae, 1_000) == 0.5
    assert learning_rate(TrainConfig(), sae, 1_000) == pytest.approx(0.7 / 4 / 10)
    assert learning_rate(TrainConfig(optimizer="lbfgs"), sae, 1_000) == 1.0
    with pytest.raises(SparsightError, match=r"no learning rate of sgd suits all data: set train\.lr"):
        learning_rate(TrainConfig(optimizer="sgd"), sae, 1_000)


def test_a_run_says_which_learning_rate_it_took(tmp_path: Path) -> None:
    spec = {"n_latents": 8, "architecture": "topk", "train": {"epochs": 4.0, "batch_size": 64}}
    run = train(Recipe.parse(spec), tmp_path / "run", toy_source())
    assert run.recipe["train"]["lr"] is None
    assert run.manifest["lr"] == pytest.approx(0.7 / 4 / 32 ** (1 / 3))
    assert max(line.lr for line in run.log()) <= run.manifest["lr"]
