"""The optimisers."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn
from toys import samples, toy_job, toy_source

from sparsight.errors import SparsightError
from sparsight.job import Recipe, prepare, train
from sparsight.meters.quality import evaluate
from sparsight.meters.recovery import best
from sparsight.optimise import Adam, TrainConfig, learning_rate
from sparsight.spec import build


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
    assert learning_rate(TrainConfig(), sae, 1_000) == pytest.approx(0.6 / 4 / 10)
    assert learning_rate(TrainConfig(optimizer="lbfgs"), sae, 1_000) == 1.0
    with pytest.raises(SparsightError, match=r"no learning rate of sgd suits all data: set train\.lr"):
        learning_rate(TrainConfig(optimizer="sgd"), sae, 1_000)


def test_a_run_says_which_learning_rate_it_took(tmp_path: Path) -> None:
    spec = {"n_latents": 8, "architecture": "topk", "train": {"epochs": 4.0, "batch_size": 64}}
    run = train(Recipe.parse(spec), tmp_path / "run", toy_source())
    assert run.recipe["train"]["lr"] is None
    assert run.manifest["lr"] == pytest.approx(0.6 / 4 / 32 ** (1 / 3))
    assert max(line.lr for line in run.log()) <= run.manifest["lr"]


@pytest.mark.parametrize("architecture", ["topk", "batch_topk", "abs_topk", "group_max", "winner_take_all"])
def test_training_is_the_same_in_all_units_where_no_weight_has_any(architecture: str) -> None:
    found = []
    for factor in (1e-3, 1.0, 1e3):
        source = build("source", "arrays", data=factor * samples())
        job = toy_job(architecture, source, output="identity", train={"lr": None})
        job.trainer.fit(job.source)
        found.append(evaluate(job.sae, job.source)["explained_variance"])
    assert found == pytest.approx([found[1]] * 3, abs=5e-3)


def test_a_rate_that_is_given_is_that_of_all_parameters() -> None:
    def shares(lr: float | None) -> list[float]:
        return [group["share"] for group in toy_job("gated", train={"lr": lr}).trainer.optimizer.param_groups]

    assert shares(1e-2) == [1.0]
    assert shares(None) == [1.0, pytest.approx(0.35 * float(samples().var(0, correction=0).sum()) ** 0.5)]


def test_defaults_find_what_is_planted() -> None:
    """A smaller twin of `synthetic-small`, which a mistake anywhere in training shows in."""
    source = build("source", {"name": "synthetic", "n_samples": 12_288, "width": 64, "n_atoms": 128, "active": 4.0})
    recipe = {"n_latents": 256, "architecture": {"name": "topk", "k": 6}, "train": {"epochs": 4.0, "batch_size": 128}}
    job = prepare(Recipe.parse(recipe), source)
    job.trainer.fit(job.source)
    quality, nearest = evaluate(job.sae, source.test_part()), best(source.truth(), job.sae.W_dec.detach())[0]
    assert quality["explained_variance"] > 0.93  # .939 where this was written, with 15 silent
    assert (nearest > 0.9).all()
    assert quality["silent"] < 0.1 * 256
