"""What a model still does when a layer is replaced, on models whose answers are known."""

import math
from typing import Any

import pytest
import tiny
import torch
from behind import taught
from torch import Tensor, nn

from sparsight.architectures.relu_l1 import relu_l1
from sparsight.architectures.transcoder import transcoder
from sparsight.core import SAE, Schema
from sparsight.core.taps import Tap, editing
from sparsight.errors import SparsightError
from sparsight.feeds.items import Items
from sparsight.feeds.texts import Texts
from sparsight.models.host import Host, open_host
from sparsight.models.reading import Reading
from sparsight.models.splice import Sums, recovered, splice
from sparsight.sources.arrays import Arrays

LAYERS = {"llama": "model.layers.1", "bert": "encoder.layer.1"}


def perfect(width: int, n_targets: int | None = None) -> SAE:
    """relu(x) − relu(−x) = x, to the bit."""
    schema = Schema(n_inputs=width, n_targets=n_targets)
    sae = SAE(
        schema, 2 * width, relu_l1() if n_targets is None else transcoder(base={"name": "topk", "k": 2 * width})
    ).eval()
    both = torch.cat([torch.eye(width), -torch.eye(width)])
    with torch.no_grad():
        for parameter in sae.parameters():
            parameter.zero_()
        sae.W_enc.copy_(both)
        sae.W_dec.copy_(both)
    return sae


def nothing(width: int) -> SAE:
    """Always zero."""
    sae = perfect(width)
    with torch.no_grad():
        sae.W_dec.zero_()
    return sae


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Host:
    """One that an ablation costs something."""
    return taught(tmp_path_factory.mktemp("models") / "llama")


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Host:
    return open_host(str(tiny.bert(tmp_path_factory.mktemp("models") / "bert")))


def pictures(n: int = 12) -> Items:
    rows = torch.rand(n, 64, generator=torch.Generator().manual_seed(1)).numpy()
    return Items(source=Arrays(data=rows, shape=[8, 8]), per_block=5)


def texts(host: Host, **more: Any) -> Texts:
    return Texts(documents=tiny.TEXTS, host=host, context=20, **{"per_block": 32, **more})


def test_what_is_rebuilt_to_the_bit_loses_nothing(llama: Host) -> None:
    found = splice(perfect(tiny.WIDTH), Reading(llama, texts(llama), [LAYERS["llama"]]))
    assert found["kind"] == "next_token" and found["clean"]["loss"] > 0
    for place in ("samples", "everywhere"):
        assert found[place]["spliced"] == {"loss": found["clean"]["loss"], "kl": 0}
        for floor in ("zero", "mean"):
            said = found[place]["loss_recovered"][floor]
            assert said["ratio_of_means"] == said["mean_of_ratios"] == 1
            assert found[place][floor]["kl"] > 0


def test_zeros_recover_nothing_beside_zero_ablation(llama: Host) -> None:
    found = splice(nothing(tiny.WIDTH), Reading(llama, texts(llama), [LAYERS["llama"]]))
    for place in ("samples", "everywhere"):
        assert found[place]["spliced"] == found[place]["zero"]
        assert found[place]["loss_recovered"]["zero"]["ratio_of_means"] == 0
        assert found[place]["loss_recovered"]["zero"]["mean_of_ratios"] == 0


def test_the_loss_is_that_of_the_model_itself_weighted_by_tokens_without_padding(llama: Host) -> None:
    feed = texts(llama, arrange="bucket", per_block=64)
    found = splice(perfect(tiny.WIDTH), Reading(llama, feed, [LAYERS["llama"]]))
    total, n, padded = 0.0, 0, False
    for number in range(len(feed)):
        block = feed.block(number)
        for ids, mask in zip(block.kwargs["input_ids"], block.kwargs["attention_mask"], strict=True):
            alone = ids[: int(mask.sum())][None]
            padded |= bool((mask == 0).any())
            total += float(llama.module(input_ids=alone, labels=alone).loss) * (alone.shape[1] - 1)
            n += alone.shape[1] - 1
    assert padded
    assert found["n"] == n and found["unit"] == "predicted token"
    assert found["clean"]["loss"] == pytest.approx(total / n, rel=1e-5)


def test_the_first_place_is_replaced_only_everywhere(llama: Host) -> None:
    at, seen = LAYERS["llama"], []
    feed = texts(llama)
    reading, block = Reading(llama, feed, [at]), feed.block(0)
    for special in (False, True):

        def edit(h: Tensor, special: bool = special) -> Tensor:
            return reading.edited(at, h, block, torch.zeros_like, special)

        with editing(llama.module, {at: edit}):
            seen.append(Tap(llama.module, ["model.layers.2:input"])(**block.kwargs)["model.layers.2:input"])
    samples, everywhere = seen
    assert (samples[:, 0] != 0).any(1).all() and (everywhere == 0).all()
    assert (samples.flatten(0, 1)[block.keep] == 0).all()


def test_the_two_ways_of_averaging_are_two_numbers() -> None:
    """Sequences of 1 and 9 tokens, recovered to a half and wholly."""

    def sums(first: float, second: float) -> Sums:
        return Sums(10.0, {"loss": first * 1 + second * 9}, [torch.tensor([[first, 1.0], [9 * second, 9.0]])])

    found = recovered(sums(1, 1), sums(2, 1), sums(3, 3))
    assert found["ratio_of_means"] == pytest.approx((20 - 1) / 20)
    assert found["mean_of_ratios"] == pytest.approx((0.5 + 1) / 2)


def test_sequences_that_lose_nothing_are_left_out_and_counted() -> None:
    def sums(first: float) -> Sums:
        return Sums(3.0, {"loss": first + 2}, [torch.tensor([[first, 1.0], [2.0, 2.0]])])

    found = recovered(sums(1), sums(2), sums(3))
    assert found == {"ratio_of_means": pytest.approx(0.5), "mean_of_ratios": 0.5, "left_out": 1}
    same = recovered(sums(1), sums(1), sums(1))
    assert math.isnan(same["ratio_of_means"]) and math.isnan(same["mean_of_ratios"]) and same["left_out"] == 2


def test_an_embedding_keeps_its_direction_and_zeros_do_not(bert: Host) -> None:
    reading = Reading(bert, texts(bert), [LAYERS["bert"]])
    found = splice(perfect(tiny.WIDTH), reading)
    assert (found["kind"], found["unit"], found["n"]) == ("embedding", "sequence", len(tiny.TEXTS))
    assert found["samples"]["spliced"]["cosine"] == pytest.approx(1, abs=1e-12)
    assert found["samples"]["zero"]["cosine"] < 0.9999 and found["everywhere"]["zero"]["cosine"] < 0.9999
    assert splice(nothing(tiny.WIDTH), reading)["samples"]["spliced"] == found["samples"]["zero"]


def test_padding_changes_no_embedding(bert: Host) -> None:
    alone, together = (
        splice(nothing(tiny.WIDTH), Reading(bert, texts(bert, per_block=n), [LAYERS["bert"]])) for n in (1, 400)
    )
    assert alone["samples"]["zero"]["cosine"] == pytest.approx(together["samples"]["zero"]["cosine"], rel=1e-5)


class Last(nn.Module):
    """The tiny network with its channels last."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.turned = tiny.Net(), nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.net.second(self.net.first(x).relu()).relu()
        return self.net.head(self.turned(hidden.movedim(1, -1)).mean((1, 2)))


@pytest.mark.parametrize(("made", "at", "channels"), [(tiny.Net, "second", "first"), (Last, "turned", "last")])
def test_classes_agree_where_a_layer_of_pixels_is_rebuilt(made: Any, at: str, channels: Any) -> None:
    reading = Reading(open_host(made()), pictures(), [at], channels=channels)
    found = splice(perfect(6), reading)
    assert (found["kind"], found["n"], found["replaced"]) == ("classes", 12, 12 * 4)
    assert found["samples"]["spliced"] == {"agreement": 1, "kl": 0}
    assert found["samples"]["zero"]["kl"] > 1e-6
    assert found["everywhere"] is None


def test_what_classes_two_floors_give_is_known() -> None:
    """A layer that always gives the same is not changed by its mean; the head alone decides where it is zero."""

    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = nn.Linear(64, 1), nn.Linear(1, 2)
            with torch.no_grad():
                self.body.weight.zero_()
                self.body.bias.fill_(1)
                self.head.weight.copy_(torch.tensor([[2.0], [0.0]]))
                self.head.bias.copy_(torch.tensor([0.0, 1.0]))

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.body(x.flatten(1)))

    found = splice(perfect(1), Reading(open_host(Constant()), pictures(), ["body"]))["samples"]
    assert found["mean"] == {"agreement": 1, "kl": pytest.approx(0, abs=1e-12)}
    clean, zero = torch.tensor([2.0, 1.0]).softmax(0), torch.tensor([0.0, 1.0]).softmax(0)
    assert found["zero"] == {"agreement": 0, "kl": pytest.approx(float((clean * (clean / zero).log()).sum()), rel=1e-5)}


def test_a_transcoder_replaces_what_it_predicts_by_what_it_makes_of_what_it_reads(llama: Host) -> None:
    """One that gives what it reads, where the model is made to do the same, loses nothing."""
    handle = llama.module.get_submodule("model.layers.1.mlp").register_forward_hook(lambda _, args, output: args[0])
    try:
        reading = Reading(llama, texts(llama), ["model.layers.1.mlp:input", "model.layers.1.mlp"])
        found = splice(perfect(tiny.WIDTH, tiny.WIDTH), reading)["samples"]
    finally:
        handle.remove()
    assert found["loss_recovered"]["zero"]["ratio_of_means"] == pytest.approx(1, abs=1e-4)
    assert found["spliced"]["kl"] == pytest.approx(0, abs=1e-6) and found["zero"]["kl"] > 1e-4


def test_hooks_are_gone_afterwards_also_where_the_model_fails(llama: Host) -> None:
    layer = llama.module.get_submodule(LAYERS["llama"])
    before = dict(layer._forward_hooks)
    splice(perfect(tiny.WIDTH), Reading(llama, texts(llama), [LAYERS["llama"]]), blocks=1)
    assert dict(layer._forward_hooks) == before

    def fail(h: Tensor) -> Tensor:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), editing(llama.module, {LAYERS["llama"]: fail}):
        llama.module(input_ids=torch.ones(1, 3, dtype=torch.long))
    assert dict(layer._forward_hooks) == before


def test_what_is_being_trained_is_measured_as_in_use_and_trained_on(bert: Host) -> None:
    sae = perfect(tiny.WIDTH).train()
    splice(sae, Reading(bert, texts(bert), [LAYERS["bert"]]))
    assert sae.training


def test_an_autoencoder_of_another_layer_is_refused(bert: Host) -> None:
    with pytest.raises(SparsightError, match=f"gives rows of {tiny.WIDTH}.*takes 7"):
        splice(perfect(7), Reading(bert, texts(bert), [LAYERS["bert"]]))
    with pytest.raises(SparsightError, match="splicing needs the layer"):
        splice(perfect(tiny.WIDTH), Reading(bert, texts(bert), ["encoder.layer.0", "encoder.layer.1"]))


def test_a_bound_on_blocks_is_kept_and_told(bert: Host) -> None:
    reading, told = Reading(bert, texts(bert), [LAYERS["bert"]]), []
    found = splice(perfect(tiny.WIDTH), reading, blocks=1, tell=told.append)
    assert told == [found["replaced"]] == [reading.counts(LAYERS["bert"])[0]]
