"""Products with the codes that are kept equal those with all codes."""

import pytest
import torch
from torch import Tensor

from sparsight.activations.topk import TopK
from sparsight.core import Activation, Codes, Sizes
from sparsight.kernels import sparse

B, D, F, K = 20, 12, 40, 3


class Ragged(Activation):
    """Codes above a half, so that samples keep more or fewer, and some none."""

    selects = True

    def at(self, chosen: Codes) -> Codes:
        return chosen.map(lambda pre: 2 * pre)

    def choose(self, pre: Tensor) -> Codes:
        kept = pre > 0.5
        kept[3] = False
        offsets = torch.nn.functional.pad(kept.sum(1).cumsum(0), (1, 0))
        return Codes(pre[kept], pre.shape[1], kept.nonzero()[:, 1], offsets)


def kept(x: Tensor, weight: Tensor, bias: Tensor, centre: Tensor | None) -> Codes:
    topk = activation("topk")
    return topk.at(sparse.encode(x, weight, bias, centre, topk.choose))


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, requires_grad=True)


def activation(name: str) -> Activation:
    made = Ragged() if name == "ragged" else TopK(k=K)
    made.setup(Sizes(D, F, D))
    return made


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("name", ["topk", "ragged"])
def test_values_and_gradients_are_those_of_dense_products(name: str, centred: bool) -> None:
    torch.manual_seed(0)
    x, W_enc, b_enc, W_dec, b_dec = drawn(B, D), drawn(F, D), drawn(F), drawn(F, D), drawn(D)
    activate = activation(name)

    def loss(codes: Codes, recon: Tensor) -> Tensor:
        return (recon - x).square().sum() + codes.map(torch.sin).dense().square().sum()

    dense = activate((x - b_dec if centred else x) @ W_enc.T + b_enc)
    wanted = dense.dense() @ W_dec + b_dec
    codes = activate.at(sparse.encode(x, W_enc, b_enc, b_dec if centred else None, activate.choose))
    found = sparse.decode(codes, W_dec, b_dec)
    torch.testing.assert_close(codes.dense(), dense.dense())
    torch.testing.assert_close(found, wanted)
    leaves = [x, W_enc, b_enc, W_dec, b_dec]
    for ours, theirs in zip(
        torch.autograd.grad(loss(codes, found), leaves),
        torch.autograd.grad(loss(dense, wanted), leaves),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_a_kept_zero_passes_no_gradient() -> None:
    x, W_enc, b_enc = drawn(B, D), drawn(F, D), torch.full((F,), -100.0, dtype=torch.float64, requires_grad=True)
    codes = kept(x, W_enc, b_enc, None)
    assert codes.l0().sum() == 0
    for gradient in torch.autograd.grad(codes.values.sum(), [W_enc, b_enc]):
        assert not gradient.any()


def test_places_are_turned_once_for_all_products(monkeypatch: pytest.MonkeyPatch) -> None:
    sorts: list[int] = []
    argsort = torch.Tensor.argsort
    monkeypatch.setattr(torch.Tensor, "argsort", lambda *a, **k: (sorts.append(1), argsort(*a, **k))[1])
    x, W_enc, b_enc, W_dec, b_dec = drawn(B, D), drawn(F, D), drawn(F), drawn(F, D), drawn(D)
    codes = kept(x, W_enc, b_enc, b_dec)
    (sparse.decode(codes.map(torch.abs), W_dec, b_dec) - x).square().sum().backward()
    assert len(sorts) == 1


def test_few_kept_codes_are_multiplied_sparsely_and_many_densely() -> None:
    few, many = (Codes.fixed(torch.ones(2, k), torch.arange(k).repeat(2, 1), 64) for k in (4, 5))
    assert sparse.is_sparse(few)
    assert not sparse.is_sparse(many)
    assert not sparse.is_sparse(Codes(torch.ones(2, 64), 64))
