"""Thresholds: the gradients that a step has none of, and the penalties on how many features fire."""

import itertools
from typing import Any

import pytest
import torch
from toys import F, samples, toy_job, toy_source

from sparsight.activations.jumprelu import Heaviside, JumpReLU
from sparsight.core import SampleTerm, StatisticTerm
from sparsight.errors import SparsightError
from sparsight.job import Job
from sparsight.meters.quality import evaluate
from sparsight.spec import build


def test_the_gradient_of_a_count_is_its_central_difference_over_the_bandwidth() -> None:
    """E[1[pre > θ]] is convolved with the rectangle where it is differenced by its width: exact, for any samples."""
    dice = torch.Generator().manual_seed(0)
    pre = torch.randn(400, F, generator=dice, dtype=torch.float64, requires_grad=True)
    threshold = torch.rand(F, generator=dice, dtype=torch.float64, requires_grad=True)
    weight = torch.rand(400, F, generator=dice, dtype=torch.float64)
    width = torch.tensor(0.3, dtype=torch.float64)
    of_pre, of_threshold = torch.autograd.grad(
        (weight * Heaviside.apply(pre, threshold, width)).sum(), [pre, threshold]
    )

    def difference(of: str) -> torch.Tensor:
        def moved(by: float) -> torch.Tensor:
            p, t = (pre + by, threshold) if of == "pre" else (pre, threshold + by)
            return weight * (p > t)

        return (moved(0.15) - moved(-0.15)) / width

    assert of_threshold.abs().min() > 0
    torch.testing.assert_close(of_pre, difference("pre"))
    torch.testing.assert_close(of_threshold, difference("threshold").sum(0))


def test_the_gradient_of_the_step_is_that_of_its_convolution() -> None:
    """∫ 1[pre − v > θ] K(v/ε)/ε dv = clamp((pre − θ)/ε + ½, 0, 1)."""
    pre = torch.linspace(-1, 2, 200, dtype=torch.float64)[:, None].requires_grad_()
    threshold, width = torch.tensor([0.4], dtype=torch.float64), torch.tensor(0.5, dtype=torch.float64)
    smooth = ((pre - threshold) / width + 0.5).clamp(0, 1).sum()
    (wanted,) = torch.autograd.grad(smooth, pre)
    (found,) = torch.autograd.grad(Heaviside.apply(pre, threshold, width).sum(), pre)
    torch.testing.assert_close(found, wanted)


def loss(job: Job, name: str, x: torch.Tensor) -> torch.Tensor:
    term = job.trainer.objective.terms[name]
    step = job.sae.run(x, x, needs=term.needs)
    if isinstance(term, StatisticTerm):
        return term.value(term.statistic(step, job.sae), job.sae)
    assert isinstance(term, SampleTerm)
    return step.mean(term.per_sample(step, job.sae))


@pytest.mark.parametrize("of", ["threshold", "b_enc"])
def test_the_l0_term_moves_thresholds_and_biases_by_the_whole_of_its_slope(of: str) -> None:
    """The step taken of codes and not of pre-activations gives half of it, or nothing."""
    job = toy_job({"name": "jumprelu", "threshold": 1.0, "bandwidth": 0.5})
    sae, x = job.sae.double(), samples(2048).double()
    with torch.no_grad():
        sae.b_enc.copy_(-sae.pre(x).median(0).values + sae.activation.fires_above())
    assert isinstance(sae.activation, JumpReLU)
    parameter = sae.b_enc if of == "b_enc" else sae.activation.threshold
    (found,) = torch.autograd.grad(loss(job, "l0", x), parameter)
    to_pre = 1.0 if of == "b_enc" else float(sae.activation.unit * sae.activation.reach)
    by = 0.5 * sae.activation.bandwidth * float(sae.activation.unit) / to_pre

    def at(j: int, shift: float) -> float:
        with torch.no_grad():
            parameter[j] += shift
            value = float(loss(job, "l0", x))
            parameter[j] -= shift
        return value

    wanted = torch.tensor([(at(j, by) - at(j, -by)) / (2 * by) for j in range(F)], dtype=torch.float64)
    assert wanted.abs().min() > 0
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=0)


@pytest.mark.parametrize("penalty", ["step", "tanh", "quadratic"])
def test_few_chosen_places_and_all_of_them_give_the_same_codes_and_gradients(
    penalty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = toy_job({"name": "jumprelu", "penalty": penalty, "threshold": 1.0, "bandwidth": 0.5})
    sae, x = job.sae.double(), samples(256).double()
    terms = {name: term for name, term in job.trainer.objective.terms.items() if not term.silent(None)}

    def found(most: float) -> tuple[torch.Tensor, ...]:
        monkeypatch.setattr("sparsight.activations.jumprelu.SPARSE_BELOW", most)
        step = sae.run(x, x)
        assert step.chosen is not None
        assert step.chosen.is_dense == (most == 0)
        assert 0 < step.chosen.values.numel() <= 256 * F * (most or 1.0)
        total = sum(loss(job, name, x) for name in terms)
        assert isinstance(total, torch.Tensor)
        return step.codes.dense(), total, *torch.autograd.grad(total, list(sae.parameters()))

    dense, ragged = found(0.0), found(0.999)
    for ours, theirs in zip(ragged, dense, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_codes_are_the_pre_activations_above_their_thresholds() -> None:
    sae = toy_job("jumprelu").sae
    pre, above = sae.pre(samples()), sae.activation.fires_above()
    torch.testing.assert_close(sae.encode(samples()).dense(), torch.where(pre > above, pre, 0.0))


def test_thresholds_stay_above_zero_and_mean_the_same_for_data_of_any_size() -> None:
    sizes = {}
    for factor in (1.0, 1e3):
        source = build("source", "arrays", data=factor * samples(), shape=[4, 4])
        job = toy_job("jumprelu", source, train={"lr": 0.3, "epochs": 5.0})
        assert isinstance(job.sae.activation, JumpReLU)
        above = job.sae.activation.fires_above()
        sizes[factor] = torch.stack([above.mean(), evaluate(job.sae, job.source)["l0"] * torch.ones(())])
        job.trainer.fit(job.source)
        assert job.sae.activation.threshold.min() == 0
    torch.testing.assert_close(sizes[1e3] / sizes[1.0], torch.tensor([1e3, 1.0]), rtol=1e-3, atol=0)


def test_the_price_of_a_feature_reaches_over_three_decades() -> None:
    def l0(weight: float) -> float:
        job = toy_job({"name": "jumprelu", "sparsity": weight}, train={"epochs": 20.0})
        job.trainer.fit(job.source)
        return evaluate(job.sae, job.source)["l0"]

    found = [l0(weight) for weight in (1e-4, 3e-3, 1e-1)]
    assert all(more > 1.5 * less for more, less in itertools.pairwise(found)), found


@pytest.mark.parametrize("target", [2.0, 5.0])
def test_the_quadratic_penalty_reaches_its_target(target: float) -> None:
    job = toy_job({"name": "jumprelu", "penalty": "quadratic", "target": target}, train={"epochs": 30.0})
    job.trainer.fit(job.source)
    assert evaluate(job.sae, job.source)["l0"] == pytest.approx(target, rel=0.05)


@pytest.mark.parametrize(
    ("architecture", "terms", "said"),
    [
        ({"name": "jumprelu", "penalty": "quadratic", "target": F + 1.0}, {}, f"there are only {F}: ask for fewer"),
        ({"name": "jumprelu", "target": 3.0}, {}, "the penalty 'step' has no target"),
        ({"name": "jumprelu", "bandwidth": -0.1}, {}, r"bandwidth should be greater than 0, got -0\.1"),
        ({"name": "jumprelu", "threshold": -0.1}, {}, "threshold should be greater than or equal to 0"),
        ({"name": "jumprelu", "penalty": "quadratic", "target": 0.0}, {}, "target should be greater than 0"),
        ({"name": "jumprelu", "penalty": "l0"}, {}, "penalty should be 'step', 'tanh' or 'quadratic'"),
        ("relu_l1", {"l0": {}}, "l0 needs thresholds that can be learnt, and relu_l1 has none"),
        ("relu_l1", {"l0_target": {}}, "l0_target needs thresholds that can be learnt"),
        ("relu_l1", {"contraction": {}}, "contraction needs sigmoid codes, and relu_l1 has others"),
        ("relu_l1", {"gaussian_kl": {}}, "gaussian_kl needs codes with variances, and those of relu_l1 have none"),
        (
            {"name": "p_annealing", "start": 0.8, "end": 0.2},
            {},
            "it cannot end at 0.2 of the training and start at 0.8",
        ),
        ({"name": "p_annealing", "p_end": 0.0}, {}, "p_end should be greater than 0"),
    ],
)
def test_a_mistake_is_one_sentence(architecture: Any, terms: dict[str, Any], said: str) -> None:
    with pytest.raises(SparsightError, match=said):
        toy_job(architecture, toy_source(), terms=terms)
