"""Gradients by closed forms are those of autograd."""

from typing import Any

import pytest
import torch
from torch import Tensor
from toys import D, F, samples, toy_job

from sparsight.activations.relu import ReLU
from sparsight.activations.sigmoid import Sigmoid
from sparsight.core import SAE, Activation, Codes, Gradients, Sizes, Step
from sparsight.layers.linear import LinearDecoder, LinearEncoder
from sparsight.spec import build, names

SIZES = Sizes(D, F, D)


def filled(layer: Any) -> Any:
    layer.setup(SIZES)
    dice = torch.Generator().manual_seed(0)
    for parameter in layer.parameters():
        parameter.data = torch.randn(parameter.shape, generator=dice, dtype=torch.float64)
    return layer


def close(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-10, atol=1e-12, msg=name)


@pytest.mark.parametrize("centre", [True, False])
def test_of_the_encoder(centre: bool) -> None:
    decoder, encoder = filled(LinearDecoder()), filled(LinearEncoder(centre=centre))
    x, of_pre = samples(20).double(), torch.randn(20, F, dtype=torch.float64)
    parameters = {"W_enc": encoder.own, "b_enc": encoder.bias, **({"b_dec": decoder.bias} if centre else {})}
    wanted = torch.autograd.grad(encoder(x, decoder), list(parameters.values()), of_pre)
    with torch.no_grad():
        found = Gradients()
        encoder.pull_back(x, of_pre, decoder, found)
    close(found, dict(zip(parameters, wanted, strict=True)))


@pytest.mark.parametrize("activation", [ReLU(), Sigmoid()])
def test_of_the_activation_and_the_decoder(activation: Activation) -> None:
    decoder = filled(LinearDecoder())
    pre = torch.randn(20, F, dtype=torch.float64, requires_grad=True)
    codes, of_logits = activation(pre), torch.randn(20, D, dtype=torch.float64)
    of_pre, of_weight, of_bias = torch.autograd.grad(decoder(codes), [pre, decoder.weight, decoder.bias], of_logits)
    with torch.no_grad():
        found = Gradients()
        of_codes = decoder.pull_back(codes, of_logits, found)
        torch.testing.assert_close(activation.pull_back(codes, of_codes), of_pre, rtol=1e-10, atol=1e-12)
    close(found, {"W_dec": of_weight, "b_dec": of_bias})


def closed_terms() -> list[str]:
    return [name for name in names("term") if build("term", name).closed_form or name == "squared_error"]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", closed_terms())
def test_of_every_term_that_has_one(name: str, weighted: bool) -> None:
    job = toy_job("relu_l1")
    sae: SAE = job.sae.double()
    term = build("term", name)
    term.check(sae, job.trainer.facts)
    assert term.closed_form
    x = samples(30).double()
    codes = sae.encode(x).values.detach().requires_grad_()
    logits = sae.decode(Codes(codes, F)).detach().requires_grad_()
    weight = torch.rand(30, dtype=torch.float64) if weighted else None
    step = Step(x, x, Codes(codes, F), logits, logits, weight=weight)
    value = step.mean(term.per_sample(step, sae))
    leaves = {"logits": logits, "codes": codes, **{p: getattr(sae, p) for p in ("W_enc", "b_enc", "W_dec", "b_dec")}}
    wanted = torch.autograd.grad(value, list(leaves.values()), allow_unused=True)
    with torch.no_grad():
        found = Gradients()
        found_value = term.pull_back(step, sae, 2.0, found)
    torch.testing.assert_close(found_value, value.detach(), rtol=1e-12, atol=0)
    expected = {key: 2 * g for key, g in zip(leaves, wanted, strict=True) if g is not None}
    for gradients in (found, expected):  # where a code is 0 its slope is any: a rectifier lets nothing through there
        if "codes" in gradients:
            gradients["codes"] = torch.where(codes != 0, gradients["codes"], 0).expand(codes.shape)
    close(found, expected)


@pytest.mark.parametrize("micro", [None, 24])
def test_training_by_closed_forms_is_training_by_autograd(micro: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def trained() -> dict[str, Tensor]:
        job = toy_job("relu_l1", train={"epochs": 4.0, "micro_batch_size": micro, "dead_after": 10_000})
        job.sae.double()
        job.trainer.fit(job.source)
        return {name: tensor.clone() for name, tensor in job.sae.state_dict().items()}

    closed = trained()
    monkeypatch.setattr(SAE, "closed_form", False)
    close_to = trained()
    for name, tensor in close_to.items():
        torch.testing.assert_close(closed[name], tensor, rtol=1e-6, atol=1e-8, msg=name)
