"""Tokens that features raise and lower, on a model whose unembedding is known."""

from pathlib import Path

import pytest
import tiny
import torch
from torch import Tensor, nn

from sparsight.architectures.relu_l1 import relu_l1
from sparsight.core import SAE, Schema
from sparsight.errors import SparsightError
from sparsight.feeds import Block
from sparsight.models.host import Host, open_host
from sparsight.models.module import Module
from sparsight.models.unembedding import in_stream, unembedded

WIDTH, WORDS = 6, 20


def features(rows: Tensor) -> SAE:
    made = SAE(Schema(n_inputs=rows.shape[1]), len(rows), relu_l1()).eval()
    with torch.no_grad():
        made.W_dec.copy_(rows)
    return made


class Predicting(nn.Module):
    """A norm and an unembedding."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.norm, self.head = norm, nn.Linear(WIDTH, WORDS, bias=False)

    def get_output_embeddings(self) -> nn.Module:
        return self.head


class OffsetNorm(nn.RMSNorm):
    """Its weight is that of others less one, as Gemma's is."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * (1 + self.weight)


def norms() -> dict[str, tuple[nn.Module, Tensor, bool]]:
    g = torch.tensor([1.0, 2.0, 0.5, 3.0, 1.0, -1.0])
    layer, plain, offset = nn.LayerNorm(WIDTH), nn.RMSNorm(WIDTH), OffsetNorm(WIDTH)
    with torch.no_grad():
        layer.weight.copy_(g)
        layer.bias.fill_(0.3)
        plain.weight.copy_(g)
        offset.weight.copy_(g - 1)
    return {"layer": (layer, g, True), "rms": (plain, g, False), "offset": (offset, g, False)}


@pytest.mark.parametrize("name", ["layer", "rms", "offset"])
def test_it_is_the_formula(name: str) -> None:
    norm, g, centred = norms()[name]
    module = Predicting(norm)
    rows = torch.randn(3, WIDTH, generator=torch.Generator().manual_seed(1))
    tokens, values = unembedded(features(rows), Module(module=module, causal=True), n=4)
    through = rows - rows.mean(1, keepdim=True) if centred else rows
    logits = (through * g) @ module.head.weight.detach().T
    logits = logits - logits.mean(1, keepdim=True)
    assert tokens.shape == values.shape == (3, 8)
    order = logits.argsort(1, descending=True)
    assert torch.equal(tokens, torch.cat([order[:, :4], order[:, -4:]], 1))
    torch.testing.assert_close(values, logits.gather(1, tokens), rtol=1e-4, atol=1e-4)


def test_it_is_the_direction_in_which_logits_change(llama: Host) -> None:
    """d of the logits behind a small step along the row, from a stream whose length does not change."""
    rows = torch.randn(2, tiny.WIDTH, generator=torch.Generator().manual_seed(1)).double()
    stream = torch.randn(tiny.WIDTH, generator=torch.Generator().manual_seed(2)).double()
    rows -= (rows @ stream / stream.square().sum())[:, None] * stream
    norm, head = llama.module.get_submodule("model.norm"), llama.module.get_submodule("lm_head")
    tokens, values = unembedded(features(rows.float()), llama, n=5)

    def logits(h: Tensor) -> Tensor:
        return head.weight.double() @ (norm.weight.double() * h * torch.rsqrt(h.square().mean()))

    for row, which, value in zip(rows, tokens, values, strict=True):
        change = (logits(stream + 1e-6 * row) - logits(stream)) / 1e-6 * stream.square().mean().sqrt()
        torch.testing.assert_close((change - change.mean())[which].float(), value, rtol=1e-3, atol=1e-3)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Host:
    return open_host(str(tiny.llama(tmp_path_factory.mktemp("models") / "llama")))


def test_some_features_are_those_of_all(llama: Host) -> None:
    sae = features(torch.randn(300, tiny.WIDTH, generator=torch.Generator().manual_seed(1)))
    every, some = unembedded(sae, llama), unembedded(sae, llama, features=torch.tensor([7, 299]))
    assert torch.equal(every[0][[7, 299]], some[0])
    torch.testing.assert_close(every[1][[7, 299]], some[1])


@pytest.mark.parametrize(
    ("at", "is_stream"),
    [
        ("model.embed_tokens", True),
        ("model.layers.0", True),
        ("model.layers.2", True),
        ("model.layers.1:input", True),
        ("model.norm:input", True),
        ("model.norm", False),
        ("model.layers.1.mlp", False),
        ("model.layers.1.input_layernorm", False),
        ("model.layers.1.self_attn.q_proj", False),
    ],
)
def test_the_residual_stream_is_known_by_what_passes(llama: Host, at: str, is_stream: bool) -> None:
    block = Block(kwargs={"input_ids": torch.tensor([[260, 265, 270]])}, columns={})
    assert in_stream(llama, at, block) is is_stream


def test_who_predicts_nothing_raises_nothing(llama: Host, tmp_path: Path) -> None:
    bert = open_host(str(tiny.bert(tmp_path / "bert")))
    with pytest.raises(SparsightError, match="bert has no unembedding"):
        unembedded(features(torch.ones(2, tiny.WIDTH)), bert)
    with pytest.raises(SparsightError, match="features have 5 numbers"):
        unembedded(features(torch.ones(2, 5)), llama)
