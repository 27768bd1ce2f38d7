"""Gated, p-annealing, contractive and variational: what is special in each."""

import math

import pytest
import torch
from torch import Tensor
from toys import D, F, samples, toy_job

from sparsight.activations.gated import Gated
from sparsight.core import SAE, Batch, SampleTerm, Step
from sparsight.job import Job
from sparsight.layers.gaussian import GaussianEncoder
from sparsight.spec import build
from sparsight.terms.codes_lp import CodesLp


def forward(job: Job, name: str, x: Tensor) -> tuple[Step, Tensor]:
    term = job.trainer.objective.terms[name]
    assert isinstance(term, SampleTerm)
    step = job.sae.run(x, x, needs=term.needs)
    return step, term.per_sample(step, job.sae)


def test_the_error_of_the_gate_leaves_the_decoder_alone() -> None:
    job = toy_job("gated")
    sae = job.sae
    term = job.trainer.objective.terms["gate_error"]
    assert isinstance(term, SampleTerm)
    x = samples()
    step = sae.run(x, x, needs=term.needs)
    assert step.pre is not None
    value = term.per_sample(step, sae)
    wanted = 0.5 * (step.pre.relu() @ sae.W_dec + sae.b_dec - x).square().sum(1)
    torch.testing.assert_close(value, wanted)
    found = torch.autograd.grad(value.sum(), [sae.W_dec, sae.W_enc, sae.b_dec, step.pre], allow_unused=True)
    of_rows, of_filters, of_b_dec, of_pre = found
    assert of_rows is None
    assert of_filters is not None and of_filters.any()
    assert of_pre is not None and of_b_dec is not None
    torch.testing.assert_close(of_b_dec, -(of_pre.sum(0) @ sae.W_enc.detach()))  # what the encoder subtracts, no more


def test_a_gate_and_a_magnitude_with_one_filter() -> None:
    sae = toy_job("gated").sae
    dice = torch.Generator().manual_seed(0)
    gate = sae.activation
    assert isinstance(gate, Gated)
    r, b_mag = (torch.randn(F, generator=dice) for _ in range(2))
    with torch.no_grad():
        sae.b_enc.normal_(generator=dice)
        gate.r.copy_(r)
        gate.b.copy_(b_mag - r.exp() * sae.b_enc)
    x = samples()
    filtered = (x - sae.b_dec) @ sae.W_enc.T
    published = (filtered + sae.b_enc > 0) * (r.exp() * filtered + b_mag).relu()
    torch.testing.assert_close(sae.encode(x).dense(), published, rtol=1e-4, atol=1e-5)


def test_the_power_falls_and_the_loss_has_no_jump() -> None:
    term = build("term", {"name": "codes_lp", "p_end": 0.2, "start": 0.25, "end": 0.75})
    assert isinstance(term, CodesLp)
    assert [term.p(t) for t in (0.0, 0.25, 0.5, 0.75, 1.0)] == pytest.approx([1, 1, 0.6, 0.2, 0.2])
    job = toy_job("p_annealing")
    sae, x = job.sae.double(), samples().double()
    term.check(sae, job.trainer.facts)
    l1 = float(sae.encode(x).dense().sum(1).mean().detach())
    slopes = []
    for progress in (0.0, 0.5, 1.0):
        step = sae.run(x, x, progress=progress)
        value = term.value(term.statistic(step, sae), sae)
        assert float(value.detach()) == pytest.approx(l1)
        (slope,) = torch.autograd.grad(value, step.codes.values)
        slopes.append(slope)
        codes, p = step.codes.dense().detach(), term.p(progress)
        large = codes > term.small
        scale = codes.sum() / (codes[large].pow(p).sum() + (codes[~large] * term.small ** (p - 1)).sum())
        torch.testing.assert_close(slope[large], scale * p * codes[large].pow(p - 1) / len(x))
    on = codes > term.small
    assert slopes[2][on].std() > slopes[1][on].std() > slopes[0][on].std()
    assert all(torch.isfinite(slope).all() for slope in slopes)


def test_contraction_is_the_norm_of_the_jacobian() -> None:
    job = toy_job({"name": "contractive", "tied": False})
    sae: SAE = job.sae.double()
    with torch.no_grad():
        sae.b_enc.normal_(generator=torch.Generator().manual_seed(0))
    x = samples(5).double()
    _, value = forward(job, "contraction", x)
    for row in range(5):
        jacobian = torch.autograd.functional.jacobian(lambda one: sae.encode(one[None]).values[0], x[row])
        assert float(value[row].detach()) == pytest.approx(float(jacobian.square().sum()))


def test_the_divergence_from_the_prior_is_that_of_torch() -> None:
    job = toy_job("variational")
    sae = job.sae
    with torch.no_grad():
        for parameter in sae.encoder.parameters():
            parameter.normal_(std=0.5, generator=torch.Generator().manual_seed(0))
    step, value = forward(job, "gaussian_kl", samples())
    assert step.pre is not None
    mean, log_variance = step.pre.chunk(2, dim=1)
    ours = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    prior = torch.distributions.Normal(0.0, 1.0)
    wanted = torch.distributions.kl_divergence(ours, prior).sum(1) * job.trainer.facts.power / D
    torch.testing.assert_close(value, wanted)


def batch_of(job: Job, positions: Tensor, step: int) -> Batch:
    return Batch(job.source, positions, positions, 64, step)


def test_drawn_codes_have_their_mean_and_variance_and_do_not_depend_on_the_sharing() -> None:
    job = toy_job("variational")
    sae = job.sae.train()
    encoder = sae.encoder
    assert isinstance(encoder, GaussianEncoder)
    with torch.no_grad():
        encoder.log_variance.bias.fill_(math.log(0.25))
    x, everything = job.source.gather(torch.arange(64)), torch.arange(64)

    def drawn(positions: Tensor, step: int) -> Tensor:
        sae.activation.advance(0.0, batch_of(job, positions, step), 0)
        return sae.encode(x[positions]).dense().detach()

    mean = sae.pre(x).chunk(2, dim=1)[0].detach()
    noise = torch.stack([(drawn(everything, step) - mean) / 0.5 for step in range(50)])
    assert noise.mean().abs() < 0.02
    assert noise.var() == pytest.approx(1, abs=0.02)
    assert not torch.equal(noise[0], noise[1])
    torch.testing.assert_close(drawn(everything[1::2], 7), drawn(everything, 7)[1::2])
    sae.eval()
    torch.testing.assert_close(sae.encode(x).dense(), mean)


def test_a_drawn_code_carries_the_gradient_of_its_variance() -> None:
    job = toy_job("variational")
    sae = job.sae.train()
    everything = torch.arange(64)
    x = job.source.gather(everything)
    pre = sae.pre(x).detach().requires_grad_()
    sae.activation.advance(0.0, batch_of(job, everything, 0), 0)
    codes = sae.activation(pre)
    (found,) = torch.autograd.grad(codes.dense().sum(), pre)
    torch.testing.assert_close(found[:, :F], torch.ones(64, F))
    torch.testing.assert_close(found[:, F:], 0.5 * (codes.dense() - pre[:, :F]).detach())


def test_directions_below_the_noise_are_left_out() -> None:
    """A linear model keeps those principal components whose variance is above β times the mean (Lucas et al. 2019)."""
    dice = torch.Generator().manual_seed(0)
    deviations = torch.tensor([2.0, 1.0, *[0.1] * (D - 2)])
    data = torch.randn(2048, D, generator=dice) * deviations
    source = build("source", "arrays", data=data)
    job = toy_job({"name": "variational", "beta": 0.5}, source, train={"epochs": 20.0, "lr": 1e-2})
    job.trainer.fit(job.source)
    left = (data - job.sae(data)).detach().square().mean(0) / data.square().mean(0)
    noise = 0.5 * float(data.var(0).mean())
    assert left[0] == pytest.approx((noise / 4) ** 2, abs=0.02)
    assert left[1] == pytest.approx(noise**2, abs=0.05)
    assert (left[2:] > 0.9).all()
