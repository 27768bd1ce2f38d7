"""The benchmarks compare like with like."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from anndata import AnnData
from cells import auroc, halves, measured, scores, summed
from cells import markdown as summary
from sklearn.metrics import roc_auc_score
from speed import ratio, rounds_of
from systems import found
from systems.plain import Plain
from tasks import L1, Task
from torch import Tensor
from toys import F, samples, toy_job
from unseen import OURS, RATES, Shape, markdown, measure, merged, rows

from sparsight import recipes, spec
from sparsight.job import Recipe
from sparsight.spec import build

X = samples(64)
SYSTEMS = found()[0]
TASK = Task("toy", F, 64, samples(512), k=3, epochs=5.0)


@pytest.mark.parametrize("k", [None, 3])
def test_plain_pytorch_has_our_objective(k: int | None) -> None:
    architecture = {"name": "relu_l1", "l1": L1} if k is None else {"name": "topk", "k": k}
    job = toy_job({**architecture, "unit_rows": False, "auxk": 0.0}, open_ended=True)
    sae, trainer = job.sae, job.trainer
    plain = Plain(Task("toy", sae.n_latents, len(X), X, k))
    with torch.no_grad():
        for ours, theirs in (
            (sae.W_enc, plain.encoder.weight),
            (sae.b_enc, plain.encoder.bias),
            (sae.W_dec.T, plain.decoder.weight),
            (sae.b_dec, plain.decoder.bias),
        ):
            ours.add_(0.1 * torch.rand_like(ours))
            theirs.copy_(ours)
    batch = next(job.source.batches(64, 0))
    loss = plain.loss(batch.inputs)
    loss.backward()
    trainer.step(batch, measure=True)
    line = trainer.logged(0.0, {})
    assert line.loss == pytest.approx(loss.item(), rel=1e-5)
    gradients = {"W_enc": plain.encoder.weight, "b_enc": plain.encoder.bias, "b_dec": plain.decoder.bias}
    for name, theirs in gradients.items():
        torch.testing.assert_close(getattr(sae, name).grad, theirs.grad)
    assert plain.decoder.weight.grad is not None
    torch.testing.assert_close(sae.W_dec.grad, plain.decoder.weight.grad.T)


def test_every_system_takes_its_turn_in_every_round_and_ratios_are_within_rounds() -> None:
    calls: list[str] = []
    took = rounds_of({name: lambda steps, name=name: calls.append(name) for name in "abc"}, 9, 0.0)
    assert calls[:6] == [*"aabbcc"]  # a step to warm up, and one to time
    turns = [calls[at : at + 6] for at in range(6, len(calls), 6)]
    assert len(turns) == 9
    assert all(sorted(turn) == [*"aabbcc"] and turn[::2] == turn[1::2] for turn in turns)  # each warms up again
    assert len({tuple(turn) for turn in turns}) > 2
    assert {name: len(times) for name, times in took.items()} == {"a": 9, "b": 9, "c": 9}
    assert ratio([2.0, 6.0, 3.0], [1.0, 2.0, 3.0]) == (2.0, 1.0, 3.0)


def explained_by(recon: Tensor, x: Tensor) -> float:
    return 1 - float((recon.detach() - x).square().sum() / (x - x.mean(0)).square().sum())


def test_the_learning_rate_of_peers_falls_to_0_where_training_ends() -> None:
    assert TASK.steps == 40
    assert [TASK.fall(step) for step in (0, 24, 32, 40)] == pytest.approx([1, 1, 0.5, 0])
    assert Task("toy", F, 64, X).fall(10**6) == 1.0


@pytest.mark.parametrize("name", SYSTEMS)
def test_what_is_trained_is_what_rebuilds(name: str) -> None:
    torch.manual_seed(0)
    system = SYSTEMS[name](TASK)
    if system is None or system.rebuild is None or system.dictionary is None:
        pytest.skip("there is no such model, or it is only timed")
    test = samples(256, seed=2)
    first = measure(system, Shape(TASK, test))["explained_variance"]
    system.train(40)
    codes, recon = system.rebuild(test)
    assert codes.shape == (256, F)
    assert codes.count_nonzero(1).max() == 3
    assert system.dictionary().shape == (F, 16)
    explained = measure(system, Shape(TASK, test))["explained_variance"]
    assert explained == pytest.approx(explained_by(recon, test), abs=1e-5)
    assert explained > first + 0.02


def test_ours_is_told_the_sizes_and_nothing_else() -> None:
    test = samples(256, seed=2)
    (row,) = rows(OURS, SYSTEMS[OURS], Shape(TASK, test))
    nothing = {"lr": None, "dead_after": 7_680, "log_every": 50}
    job = toy_job({"name": "topk", "k": 3}, build("source", "arrays", data=TASK.data), train={"epochs": 5.0, **nothing})
    job.trainer.fit(job.source)
    assert row["explained_variance"] == pytest.approx(explained_by(job.sae.reconstruct(test), test), abs=1e-5)
    assert row["rate"] is None


def test_a_peer_is_shown_by_its_best_rate_and_what_is_run_again_is_replaced() -> None:
    def row(system: str, rate: float | None, explained_variance: float) -> dict[str, float | str | None]:
        return {"shape": "a", "system": system, "rate": rate, "explained_variance": explained_variance, "dead": 0.0}

    old = [row("peer", 1e-3, 0.5), row("peer", 1e-2, math.nan), row("other", 1e-3, 0.6), row(OURS, None, 0.4)]
    done = merged(old, [row(OURS, None, 0.7)])
    assert len(done) == 4
    lines = [line.split(" | ")[:3] for line in markdown("a", done).splitlines()[4:]]
    assert lines == [[f"| {OURS}", "its own", "0.7000"], ["| other", "0.001", "0.6000"], ["| peer", "0.001", "0.5000"]]


def test_a_peer_is_tried_at_rates_beside_its_best_one() -> None:
    tried = list(rows("plain", SYSTEMS["plain"], Shape(TASK, samples(256, seed=2))))
    rates = [row["rate"] for row in tried]
    assert rates[:-2] == list(RATES)
    best = max(tried[:-2], key=lambda row: row["explained_variance"])["rate"]
    assert rates[-2:] == pytest.approx([best / 1.78, best * 1.78], rel=0.03)


def test_the_auroc_is_that_of_scikit_learn() -> None:
    dice = np.random.default_rng(0)
    values, of_type = dice.integers(0, 5, (80, 6)).astype(float), dice.random(80) < 0.3  # with many ties
    expected = [roc_auc_score(of_type, column) for column in values.T]
    np.testing.assert_allclose(auroc(values, of_type), expected)


def test_a_feature_is_chosen_in_one_half_and_scored_in_the_other() -> None:
    labels = np.repeat([0, 1, 2], 40)
    first = halves(labels, 0)
    assert [int(first[labels == kind].sum()) for kind in range(3)] == [20, 20, 20]
    true, other = (labels == 1).astype(float), np.random.default_rng(0).random(len(labels))
    by_heart = np.where(first, true, other)  # perfect where it is chosen, chance where it is scored
    assert scores(np.stack([other, by_heart], 1), labels, first)[1] < 0.75
    assert scores(np.stack([other, true], 1), labels, first)[1] == 1.0


def test_features_of_cells_beat_their_nulls() -> None:
    dice = np.random.default_rng(0)
    kinds = np.repeat(["a", "b", "none"], 60)
    program = dice.gamma(0.3, 3, (3, 200)) * (dice.random((3, 200)) < 0.2)
    program[2] = 0
    counts = dice.poisson(0.1 + program[np.repeat([0, 1, 2], 60)]).astype(np.float32)
    made = AnnData(counts, pd.DataFrame({"kind": kinds}, index=pd.Index([str(n) for n in range(180)])))
    source = build("source", {"name": "cells", "label": "kind", "per_cell": 1e3}, data=made)
    changes = ["n_latents=8", 'terms."l2.encoder".weight=0.5', "architecture.l1=0.3", "train.epochs=100"]
    found, figures = measured(source, Recipe.parse(spec.override(recipes.read("cells"), changes)), 0)
    with_program = {name: each[:2] for name, each in found.items()}
    assert min(with_program["features"]) > max(*with_program["random"], *with_program["shuffled labels"], 0.9)
    assert max(found["shuffled labels"]) < 0.75
    assert 0 < figures["l0"] < 8
    assert "| a | 60 |" in summary(summed([found, found]), ("a", "b", "none"), [60, 60, 60])
