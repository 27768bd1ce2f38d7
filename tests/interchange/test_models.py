"""Models from anywhere, as records."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from toys import D, samples, toy_job

from sparsight import interchange
from sparsight.core import Codes
from sparsight.errors import SparsightError

F = 10
X = samples(300)


class Plain(nn.Module):
    """An autoencoder as people write them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.drop, self.second = nn.Linear(D, F), nn.Dropout(0.5), nn.Linear(F, D)

    def codes(self, x: Tensor) -> Tensor:
        return self.first(self.drop(x)).relu()


class WithMethods(Plain):
    def encode(self, x: Tensor) -> Tensor:
        return self.codes(x)

    def decode(self, codes: Tensor) -> Tensor:
        return self.second(codes)


class ReconFirst(Plain):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.second(self.codes(x)), self.codes(x)


class CodesFirst(Plain):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.codes(x), self.second(self.codes(x))


class Parts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        plain = Plain()
        self.encoder, self.decoder = nn.Sequential(plain.first, nn.ReLU()), plain.second

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))


class Selecting(Plain):
    """Codes as values and indices, as sparsify has them."""

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        pre = self.codes(x)
        values, index = pre.topk(3, dim=1)
        return values, index, pre

    def decode(self, values: Tensor, index: Tensor) -> Tensor:
        return torch.zeros(len(values), F).scatter(1, index, values) @ self.second.weight.T + self.second.bias


@pytest.mark.parametrize("kind", [WithMethods, ReconFirst, CodesFirst, Parts])
@pytest.mark.parametrize("training", [True, False])
def test_a_module_is_looked_at_without_its_dropout(kind: type[nn.Module], training: bool) -> None:
    module, plain = kind().train(training), Plain().eval()
    if kind is CodesFirst or kind is ReconFirst:
        with torch.no_grad():  # so that the reconstruction is one
            module.load_state_dict(plain.state_dict())
    model = interchange.model(module, X)
    expected = plain.codes(X).detach()
    torch.testing.assert_close(model.encode(X).dense(), expected)
    assert model.W_enc is not None
    torch.testing.assert_close(model.W_enc, plain.first.weight.detach())
    if kind in (WithMethods, Parts):
        assert model.decode is not None and model.W_dec is not None and model.b_dec is not None
        torch.testing.assert_close(model.decode(Codes(expected, F), X), plain.second(expected).detach())
        torch.testing.assert_close(model.W_dec, plain.second.weight.detach().T)
        torch.testing.assert_close(model.b_dec, plain.second.bias.detach())
    assert module.training is training
    assert model.notes


def test_values_with_their_indices_are_codes() -> None:
    module = Selecting().eval()
    model = interchange.model(module, X)
    assert model.decode is not None
    codes = model.encode(X)
    assert codes.n_latents == F and int(codes.l0().max()) <= 3
    torch.testing.assert_close(model.decode(codes, X), module.decode(*module.encode(X)[:2]).detach())


@pytest.mark.parametrize("numpy", [True, False])
def test_a_pair_of_functions_in_torch_or_numpy_is_a_model(numpy: bool) -> None:
    plain = Plain().eval()
    w1, b1, w2, b2 = (p.detach() for p in plain.parameters())
    if numpy:
        w1, b1, w2, b2 = (p.numpy() for p in (w1, b1, w2, b2))

    def encode(x: Any) -> Any:
        return np.maximum(x @ w1.T + b1, 0) if numpy else (x @ w1.T + b1).relu()

    def decode(codes: Any) -> Any:
        return codes @ w2.T + b2

    model = interchange.model((encode, decode), X)
    assert model.decode is not None and model.W_dec is not None
    torch.testing.assert_close(model.encode(X).dense(), plain.codes(X).detach())
    torch.testing.assert_close(model.decode(model.encode(X), X), plain.second(plain.codes(X)).detach())
    torch.testing.assert_close(model.W_dec, plain.second.weight.detach().T)


def test_a_decoder_that_bends_gives_no_rows() -> None:
    model = interchange.model((lambda x: x.relu(), lambda codes: codes.sigmoid()), X)
    assert model.W_dec is None
    assert any("no straight line" in note for note in model.notes)


@pytest.mark.parametrize("preprocess", [[], ["standardise"]])
@pytest.mark.parametrize("architecture", ["topk", "sigmoid_kl", "gated"])
def test_a_model_of_ours_is_in_the_units_of_the_data(tmp_path: Path, architecture: str, preprocess: list[str]) -> None:
    preprocess = preprocess if architecture != "sigmoid_kl" else []
    sae = toy_job(architecture, preprocess=preprocess).sae.eval()
    sae.save(tmp_path / "model.safetensors")
    for anything in (sae, tmp_path / "model.safetensors", tmp_path):
        model = interchange.model(anything)
        assert model.decode is not None and model.W_enc is not None and model.b_enc is not None
        torch.testing.assert_close(model.encode(X).dense(), sae.transform(X).dense().detach())
        torch.testing.assert_close(model.decode(model.encode(X), X), sae.reconstruct(X).detach())
        pre = sae.pre(sae.preprocess(X)).detach()
        torch.testing.assert_close(X @ model.W_enc.T + model.b_enc, pre, rtol=1e-4, atol=1e-4)
        assert model.bounds == sae.activation.bounds
        assert interchange.model(model) is model


def test_a_way_past_the_codes_rebuilds_from_codes_and_samples() -> None:
    sae = toy_job("skip_transcoder").sae
    model = interchange.model(sae)
    assert model.decode is not None
    torch.testing.assert_close(model.decode(model.encode(X), X), sae.reconstruct(X).detach())


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        (nn.Linear(D, F), "has no encode, no encoder"),
        ((lambda x: x[:, :, None, None].conv(), None), "encode failed on samples"),
        ((lambda x: "codes", lambda codes: codes), "gave str"),
        ((lambda x: x.mean(0), lambda codes: codes), r"gave \[16\]"),
        ((lambda x: x[:3], lambda codes: codes), "3 rows of codes for 32 samples"),
        ((lambda x: x, lambda codes: codes[:2]), "one row each is needed"),
        (7, "holds no weights"),
    ],
)
def test_what_is_no_model_is_refused_in_a_sentence(thing: Any, said: str) -> None:
    look = interchange.model_of_module if isinstance(thing, tuple) else interchange.model
    with pytest.raises(SparsightError, match=said):
        look(thing, X)


def test_weights_alone_need_data() -> None:
    with pytest.raises(SparsightError, match="give some of the data"):
        interchange.model({"w1": torch.ones(D, F)})
