"""What a model does while features are steered, against what it does by itself."""

from typing import Any

import pytest
import tiny
import torch
from behind import taught

from sparsight.architectures.relu_l1 import relu_l1
from sparsight.core import SAE, Schema
from sparsight.errors import SparsightError
from sparsight.feeds.texts import vocabulary_of
from sparsight.models.host import open_host
from sparsight.views.steering import READ, Edit, Ready, steered

TEXT = "in the heaven was"


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Ready:
    host = taught(tmp_path_factory.mktemp("models") / "llama")
    return Ready(host, "model.layers.1", vocabulary_of(host.tokenizer), 1)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Ready:
    host = open_host(str(tiny.bert(tmp_path_factory.mktemp("models") / "bert")))
    return Ready(host, "encoder.layer.1", vocabulary_of(host.tokenizer), 0)


@pytest.fixture(scope="module")
def sae() -> SAE:
    """Orthonormal features that read their codes exactly."""
    made = SAE(Schema(n_inputs=tiny.WIDTH), tiny.WIDTH, relu_l1()).eval()
    rows = torch.linalg.qr(torch.randn(tiny.WIDTH, tiny.WIDTH, generator=torch.Generator().manual_seed(3)))[0]
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.zero_()
        made.W_enc.copy_(rows)
        made.W_dec.copy_(rows)
    return made


def test_nothing_done_changes_nothing(llama: Ready, sae: SAE) -> None:
    for edits in ([], [Edit(feature=2, by=0.0)]):
        found = steered(sae, llama, TEXT, edits, more=6)
        assert found["kl"] == 0 and all(before == after for _, before, after in found["next"])
        assert found["continued"]["before"] == found["continued"]["after"] != ""
        assert all(token["before"] == token["after"] for token in found["tokens"])


def test_what_is_written_is_what_the_model_generates(llama: Ready, sae: SAE) -> None:
    ids = torch.tensor([llama.host.tokenizer(TEXT)["input_ids"]])
    asked: dict[str, Any] = {"max_new_tokens": 8, "do_sample": False, "pad_token_id": 0}
    edit = Edit(feature=2, by=40.0)
    found = steered(sae, llama, TEXT, [edit], more=8)

    def written() -> str:
        new = llama.host.module.generate(ids, attention_mask=torch.ones_like(ids), **asked)[0, ids.shape[1] :].tolist()
        return llama.host.tokenizer.decode(new).partition("<end>")[0]

    assert found["continued"]["before"] == written() != ""
    with sae.steer(llama.host.module, at=llama.at, feature=2, by=40.0, skip=1):
        assert found["continued"]["after"] == written()
    assert found["continued"]["before"] != found["continued"]["after"] and not found["stopped"]


def test_the_next_token_has_the_probabilities_of_the_model(llama: Ready, sae: SAE) -> None:
    ids = torch.tensor([llama.host.tokenizer(TEXT)["input_ids"]])
    found = steered(sae, llama, TEXT, [Edit(feature=2, by=40.0)], more=0)
    clean = llama.host.module(input_ids=ids).logits[0, -1].softmax(0)
    with sae.steer(llama.host.module, at=llama.at, feature=2, by=40.0, skip=1):
        changed = llama.host.module(input_ids=ids).logits[0, -1].softmax(0)
    for probabilities, side in ((clean, 1), (changed, 2)):
        listed = sorted((one[side] for one in found["next"]), reverse=True)[:10]
        assert listed == pytest.approx(probabilities.topk(10).values.tolist(), rel=1e-3)
    assert found["next"][0][0] == llama.text(int(torch.stack([clean, changed]).amax(0).argmax()))
    assert found["kl"] == pytest.approx(float((clean * (clean / changed).log()).sum()), rel=1e-3)
    assert found["continued"] == {"before": "", "after": ""}


def test_codes_are_before_and_after_and_the_first_place_is_left_alone(llama: Ready, sae: SAE) -> None:
    every = list(range(sae.n_latents))
    codes = [token["before"] for token in steered(sae, llama, TEXT, [Edit(feature=j, by=0) for j in every])["tokens"]]
    fires = max(every, key=lambda j: codes[2][j])
    found = steered(sae, llama, TEXT, [Edit(feature=fires, to=9.5), Edit(feature=fires - 1, by=1.0)], more=0)
    assert found["features"] == [fires, fires - 1] and codes[2][fires] > 0
    assert found["tokens"][0]["before"] is None and found["tokens"][0]["after"] is None
    for token in found["tokens"][1:]:
        if token["before"][0] > 0:  # else a part below zero is left, which no code shows
            assert token["after"][0] == pytest.approx(9.5, abs=1e-3)
        assert token["after"][1] >= token["before"][1]
    assert "".join(token["text"] for token in found["tokens"]) == TEXT


def test_an_embedding_turns_and_says_where(bert: Ready, sae: SAE) -> None:
    still = steered(sae, bert, "light upon water", [])
    assert still["cosine"] == pytest.approx(1, abs=1e-12) and "next" not in still
    found = steered(sae, bert, "light upon water", [Edit(feature=1, by=30.0)])
    assert found["cosine"] < 0.999
    assert [token["text"].strip() for token in found["tokens"]] == ["[CLS]", "light", "upon", "water", "[SEP]"]
    assert all(token["cosine"] < 1 for token in found["tokens"])


def test_what_is_drawn_is_a_function_of_the_seed(llama: Ready, sae: SAE) -> None:
    one, same, other = (steered(sae, llama, TEXT, [], more=12, seed=seed)["continued"] for seed in (1, 1, 2))
    assert one == same != other and one["before"] == one["after"]


def test_time_and_length_are_bounded(llama: Ready, sae: SAE) -> None:
    found = steered(sae, llama, TEXT, [], more=40, seconds=0.0)
    assert found["stopped"] and len(found["continued"]["before"].split()) <= 1
    long = steered(sae, llama, "light " * 3 * READ, [], more=0) if llama.host.n_context is None else None
    assert long is None or (long["cut"] and len(long["tokens"]) == READ)


@pytest.mark.parametrize(
    ("text", "edits", "said"),
    [
        ("  \n", [], "write some text"),
        (TEXT, [Edit(feature=99, by=1.0)], "there is no feature 99"),
        (TEXT, [Edit(feature=1)], "give one of the two"),
        (TEXT, [Edit(feature=1, by=1e39)], "no numbers any more"),
    ],
)
def test_what_cannot_be_done_is_said_and_leaves_no_hook(
    llama: Ready, sae: SAE, text: str, edits: list[Edit], said: str
) -> None:
    plain = steered(sae, llama, TEXT, [], more=0)["next"]
    with pytest.raises(SparsightError, match=said):
        steered(sae, llama, text, edits)
    assert steered(sae, llama, TEXT, [], more=0)["next"] == plain
