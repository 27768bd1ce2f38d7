"""Which codes are kept."""

from typing import TypeVar

import pytest
import torch
from toys import F, samples, toy_job

from sparsight.activations.abs_topk import AbsTopK
from sparsight.activations.batch_topk import BatchTopK
from sparsight.activations.group_max import GroupMax
from sparsight.activations.winner_take_all import WinnerTakeAll
from sparsight.core import Activation, Sizes
from sparsight.distributed import World
from sparsight.errors import SparsightError
from sparsight.kernels.selection import above, just_below, largest
from sparsight.trainer import NonFiniteLossError

A = TypeVar("A", bound=Activation)


def made(activation: A, n_latents: int = 12, n_inputs: int = 9) -> A:
    activation.setup(Sizes(n_inputs, n_latents, n_inputs))
    return activation


def drawn(rows: int = 50, n_latents: int = 12) -> torch.Tensor:
    return torch.randn(rows, n_latents, generator=torch.Generator().manual_seed(0))


def test_what_is_above_a_bound_is_found() -> None:
    pre = drawn()
    torch.testing.assert_close(above(pre, 0.7).dense(), torch.where(pre > 0.7, pre, 0), rtol=0, atol=0)
    assert above(pre, 100.0).l0().tolist() == [0] * 50


@pytest.mark.parametrize("n", [1, 7, 50, 60])
def test_the_largest_are_the_largest(n: int) -> None:
    values = drawn(50, 1)[:, 0]
    assert largest(values, n).sort().values.equal(values.sort().values[-n:])
    least = float(largest(values, n).min())
    assert (values > just_below(least, values)).sum() == min(n, 50)


def test_batch_topk_keeps_k_times_the_batch_and_learns_where() -> None:
    activation, pre = BatchTopK(k=2, memory=0.5), drawn()
    made(activation)
    assert activation.eval()(pre).l0().max() == 2  # nothing is learnt yet
    kept = torch.where(pre >= pre.flatten().sort().values[-100], pre, 0)
    for scale in (1.0, 1.0, 0.01, 1.0):  # it guesses nothing, well, too high, and too low
        torch.testing.assert_close(activation.train()(scale * pre).dense(), scale * kept, rtol=0, atol=0)
    activation.learn()
    torch.testing.assert_close(activation.eval()(pre).dense(), kept, rtol=0, atol=0)


def test_the_threshold_is_a_moving_average_that_starts_at_the_first_cut() -> None:
    activation = made(BatchTopK(k=2, memory=0.75))
    for scale, expected in ((1.0, 1.0), (3.0, 0.75 + 0.25 * 3), (2.0, 0.75 * 1.5 + 0.25 * 2)):
        activation.train()(scale * drawn())
        activation.learn()
        least = drawn().flatten().sort().values[-100]
        torch.testing.assert_close(activation.threshold, expected * least)


def test_values_as_large_as_the_last_that_is_kept_are_kept_too() -> None:
    pre = torch.tensor([[3.0, 2.0, 0.0], [2.0, 1.0, 0.0]])
    assert made(BatchTopK(k=1), 3).train()(pre).dense().tolist() == [[3.0, 2.0, 0.0], [2.0, 0.0, 0.0]]


def test_a_step_in_parts_leaves_no_cut_behind() -> None:
    job = toy_job("batch_topk", train={"micro_batch_size": 24})
    job.trainer.step(next(job.source.batches(64, 0)))
    assert job.sae.activation.cut is None


@pytest.mark.parametrize("name", ["batch_topk", "abs_topk", "group_max", "winner_take_all"])
def test_a_model_that_is_not_finite_is_seen(name: str) -> None:
    job = toy_job(name)
    with torch.no_grad():
        job.sae.W_enc[3] = torch.nan
    with pytest.raises(NonFiniteLossError):
        job.trainer.step(next(job.source.batches(64, 0)))


def test_batch_topk_keeps_all_that_is_positive_where_that_is_less() -> None:
    activation, pre = made(BatchTopK(k=12)).train(), drawn()
    torch.testing.assert_close(activation(pre).dense(), pre.relu())
    assert activation(-pre.abs()).l0().sum() == 0


@pytest.mark.parametrize("activation", [BatchTopK(k=2), WinnerTakeAll(share=0.1)])
def test_a_batch_in_parts_is_cut_where_the_whole_is(activation: Activation) -> None:
    made(activation).train()
    pre = drawn()
    whole = activation(pre).dense()
    activation.cut = activation.common_cut(lambda: iter(pre.split(17)), 50, World())
    torch.testing.assert_close(torch.cat([activation(part).dense() for part in pre.split(17)]), whole, rtol=0, atol=0)


def test_in_evaluation_batch_topk_has_about_the_l0_of_training() -> None:
    job = toy_job({"name": "batch_topk", "k": 3})
    job.trainer.fit(job.source)
    l0 = job.sae.encode(samples(2000, seed=5)).l0().double()
    assert l0.mean().item() == pytest.approx(3, abs=0.3)
    assert l0.std() > 0.5  # and samples differ


def test_abs_topk_keeps_the_sign() -> None:
    pre = torch.tensor([[1.0, -3.0, 2.0, 0.5]])
    assert made(AbsTopK(k=2), 4)(pre).dense().tolist() == [[0.0, -3.0, 2.0, 0.0]]


def test_group_max_keeps_one_of_each_group() -> None:
    pre = torch.tensor([[1.0, -3.0, 2.0, 0.5, -1.0, -2.0]])
    assert made(GroupMax(k=3), 6)(pre).dense().tolist() == [[1.0, 0.0, 2.0, 0.0, 0.0, 0.0]]


def test_winner_take_all_gives_every_feature_its_share_in_training_only() -> None:
    activation, pre = made(WinnerTakeAll(share=0.1)), drawn()
    assert activation.train()(pre).values.count_nonzero(0).tolist() == [5] * 12
    torch.testing.assert_close(activation.eval()(pre).values, pre.relu())


@pytest.mark.parametrize(
    ("architecture", "said"),
    [
        ({"name": "batch_topk", "k": F + 1}, f"k is {F + 1} but there are only {F} features"),
        ({"name": "abs_topk", "k": F + 1}, f"k is {F + 1} but there are only {F} features"),
        ({"name": "topk", "k": 3, "k_eval": F + 1}, f"k_eval is {F + 1} but there are only {F} features"),
        ({"name": "group_max", "k": 7}, f"k is 7, and {F} features cannot be shared out .* take k = 6 or 8"),
        ({"name": "group_max", "k": F + 1}, "cannot be shared out"),
        ({"name": "winner_take_all", "share": 0.0}, "share"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_a_sentence(architecture: dict[str, object], said: str) -> None:
    with pytest.raises(SparsightError, match=said) as caught:
        toy_job(architecture)
    assert "\n" not in str(caught.value)


def test_k_eval_is_for_evaluation() -> None:
    job = toy_job({"name": "topk", "k": 2, "k_eval": 4})
    assert job.sae.train().encode(samples(9)).index is not None
    assert len(job.sae.train().encode(samples(9)).values) == 18
    assert len(job.sae.eval().encode(samples(9)).values) == 36
