"""Features changed while a model runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from torch import Tensor, nn

from sparsight.architectures.relu_l1 import relu_l1
from sparsight.architectures.transcoder import transcoder
from sparsight.core import SAE, Schema
from sparsight.core.taps import Tap
from sparsight.errors import SparsightError
from sparsight.models.host import open_host


@pytest.fixture
def sae() -> SAE:
    """Eight orthonormal features of eight numbers, of which each code is read exactly."""
    made = SAE(Schema(n_inputs=8), 8, relu_l1()).eval()
    rows = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(3)))[0]
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.zero_()
        made.W_enc.copy_(rows)
        made.W_dec.copy_(rows)
    return made


def model(wrap: Callable[[Tensor], Any] = lambda h: h) -> nn.Module:
    class Body(nn.Module):
        def forward(self, h: Tensor) -> Any:
            return wrap(h)

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = Body()

        def forward(self, h: Tensor) -> Any:
            return self.body(h)

    return Whole()


@pytest.fixture
def h(sae: SAE) -> Tensor:
    """Rows with codes in all features, [2, 3, 8]."""
    codes = torch.rand(2, 3, 8, generator=torch.Generator().manual_seed(1)) + 0.5
    return codes @ sae.W_dec.detach()


def test_adding_nothing_changes_no_bit(sae: SAE, h: Tensor) -> None:
    with sae.steer(model(), at="body", feature=2, by=0.0):
        assert torch.equal(model()(h), h)


def test_adding_adds_the_row_everywhere(sae: SAE, h: Tensor) -> None:
    whole = model()
    with sae.steer(whole, at="body", feature=2, by=1.5):
        torch.testing.assert_close(whole(h), h + 1.5 * sae.W_dec[2].detach())
    assert torch.equal(whole(h), h)


@pytest.mark.parametrize("to", [0.0, 3.25])
def test_a_clamped_code_is_what_was_asked_and_the_others_stay(sae: SAE, h: Tensor, to: float) -> None:
    whole = model()
    with sae.steer(whole, at="body", feature=[2, 5], to=to):
        codes = sae.transform(whole(h).flatten(0, 1)).dense()
    expected = sae.transform(h.flatten(0, 1)).dense()
    expected[:, [2, 5]] = to
    torch.testing.assert_close(codes, expected, atol=1e-5, rtol=0)


def test_several_at_once_see_what_those_before_them_left(sae: SAE, h: Tensor) -> None:
    whole = model()
    with sae.steer(whole, at="body", feature=1, by=2.0), sae.steer(whole, at="body", feature=1, to=0.5):
        codes = sae.transform(whole(h).flatten(0, 1)).dense()
    torch.testing.assert_close(codes[:, 1], torch.full((6,), 0.5), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("wrap", "first"),
    [
        (lambda h: (h, "cache"), lambda out: out[0]),
        (lambda h: [h, None], lambda out: out[0]),
        (lambda h: {"hidden": h, "more": 3}, lambda out: out["hidden"]),
    ],
)
def test_what_a_layer_gives_beside_it_passes_as_it_is(sae: SAE, h: Tensor, wrap: Any, first: Any) -> None:
    whole = model(wrap)
    with sae.steer(whole, at="body", feature=0, by=1.0):
        out = whole(h)
    torch.testing.assert_close(first(out), h + sae.W_dec[0].detach())
    assert type(out) is type(wrap(h)) and len(out) == 2


def test_channels_may_come_first(sae: SAE, h: Tensor) -> None:
    whole, pixels = model(), h.reshape(2, 3, 1, 8).permute(0, 3, 1, 2)  # [n, D, height, width]
    with sae.steer(whole, at="body", feature=4, to=2.0, channels_first=True):
        out = whole(pixels)
    with sae.steer(whole, at="body", feature=4, to=2.0):
        torch.testing.assert_close(out.permute(0, 2, 3, 1).reshape(2, 3, 8), whole(h))


def test_the_first_places_of_a_sequence_can_be_left_alone_and_a_single_one_is_not(sae: SAE, h: Tensor) -> None:
    whole = model()
    with sae.steer(whole, at="body", feature=4, by=2.0, skip=1):
        out, alone = whole(h), whole(h[:, :1])
    assert torch.equal(out[:, 0], h[:, 0])
    torch.testing.assert_close(out[:, 1:], h[:, 1:] + 2 * sae.W_dec[4].detach())
    torch.testing.assert_close(alone, h[:, :1] + 2 * sae.W_dec[4].detach())


def test_gradients_pass_what_is_steered(sae: SAE, h: Tensor) -> None:
    whole = model()
    with sae.steer(whole, at="body", feature=4, by=2.0):
        whole(h.requires_grad_()).sum().backward()
    torch.testing.assert_close(h.grad, torch.ones_like(h))


def test_nothing_is_left_behind_by_a_model_that_fails(sae: SAE, h: Tensor) -> None:
    whole = model()
    with pytest.raises(RuntimeError), sae.steer(whole, at="body", feature=4, by=2.0):
        whole(h.reshape(5, 5))
    assert torch.equal(whole(h), h)


def test_other_types_of_numbers_stay_what_they_are(sae: SAE, h: Tensor) -> None:
    whole = model()
    with sae.steer(whole, at="body", feature=4, to=2.0):
        assert whole(h.bfloat16()).dtype == torch.bfloat16


def test_generating_with_a_cache_is_steered_like_without(tmp_path: Path) -> None:
    host = open_host(str(tiny.llama(tmp_path / "llama")))
    width = tiny.WIDTH
    sae = SAE(Schema(n_inputs=width), 4, relu_l1()).eval()
    with torch.no_grad():
        sae.W_dec.copy_(torch.randn(4, width, generator=torch.Generator().manual_seed(2)))
    ids = torch.tensor([[260, 265, 270]])

    def generated(**more: Any) -> list[int]:
        asked = {"attention_mask": torch.ones_like(ids), "max_new_tokens": 8, "do_sample": False, "pad_token_id": 0}
        return host.module.generate(ids, **asked, **more)[0].tolist()

    plain = generated()
    with sae.steer(host.module, at="model.layers.1", feature=1, by=30.0):
        cached, anew = generated(use_cache=True), generated(use_cache=False)
        last = Tap(host.module, ["model.layers.1"])(input_ids=torch.tensor([cached]))
    assert cached == anew != plain
    assert last["model.layers.1"].shape == (1, len(cached), width)
    assert generated() == plain


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"feature": 8, "by": 1.0}, "there is no feature 8: they go from 0 to 7"),
        ({"feature": [], "by": 1.0}, "there is no feature"),
        ({"feature": 1}, "give one of the two"),
        ({"feature": 1, "by": 1.0, "to": 2.0}, "give one of the two"),
        ({"feature": 1, "to": float("nan")}, "finite"),
    ],
)
def test_what_cannot_be_asked_is_said(sae: SAE, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(SparsightError, match=said):
        sae.steer(model(), at="body", **asked)


def test_a_layer_of_another_width_or_name_is_said(sae: SAE) -> None:
    whole = model()
    with sae.steer(whole, at="body", feature=1, by=1.0), pytest.raises(SparsightError, match="rows of 5"):
        whole(torch.zeros(1, 5))
    with pytest.raises(SparsightError, match=r"no layer 'bdy'.*body"), sae.steer(whole, at="bdy", feature=1, by=1.0):
        pass


def test_a_transcoder_cannot_clamp_what_it_does_not_read() -> None:
    made = SAE(Schema(n_inputs=8, n_targets=8), 8, transcoder())
    with pytest.raises(SparsightError, match="steer it with by"):
        made.steer(model(), at="body", feature=1, to=1.0)
