"""Samples in what they are parts of, with a feature's codes at every part."""

import base64
import io
import json

import numpy as np
import pytest
import torch
from parts import GRID, HOSTILE, VOCABULARY, Cells, Texts
from PIL import Image
from toys import toy_job, toy_source

from sparsight.core import SAE, Context, Source
from sparsight.job import Recipe, prepare
from sparsight.views import contexts
from sparsight.views.contexts import readable, within, word

TEXTS, CELLS = Texts(), Cells()


def model(source: Source, architecture: str = "topk") -> SAE:
    train = {"epochs": 5.0, "batch_size": 32, "log_every": 100}
    job = prepare(
        Recipe.parse({"name": "parts", "n_latents": 12, "architecture": architecture, "train": train}), source
    )
    job.trainer.fit(job.source)
    return job.sae.eval()


@pytest.mark.parametrize("architecture", ["topk", "relu_l1"])
def test_every_token_has_the_code_of_the_feature(architecture: str) -> None:
    sae = model(TEXTS, architecture)
    codes = sae.transform(TEXTS.gather(torch.arange(len(TEXTS)))).dense().detach()
    found = within(sae, TEXTS, [(3, 120), (3, 7), (5, 120)], reach=6)
    assert set(found) == {(3, 120), (3, 7), (5, 120)}
    for (feature, sample), one in found.items():
        ids = TEXTS.context(sample, 6).ids
        assert ids[one["here"]] == sample
        np.testing.assert_allclose(one["codes"], codes[torch.tensor(ids), feature], rtol=6e-3, atol=1e-6)
        assert one["tokens"] == [readable(VOCABULARY[n]) for n in TEXTS.token[torch.tensor(ids)].tolist()]


def test_tokens_that_are_no_samples_have_no_code() -> None:
    part = TEXTS.take(torch.arange(0, len(TEXTS), 2))
    one = within(model(TEXTS), part, [(0, 30)], reach=4)[0, 30]
    assert [code is None for code in one["codes"]] == [n % 2 == 1 for n in range(9)]


def test_all_that_is_shown_is_encoded_at_once_and_each_sample_once() -> None:
    sae, asked = model(TEXTS), []
    watched = Texts()
    watched.gather = lambda ids: (asked.append(ids), TEXTS.gather(ids))[1]  # pyright: ignore[reportAttributeAccessIssue]
    within(sae, watched, [(feature, sample) for feature in range(3) for sample in (60, 61, 62, 63)], reach=5)
    (ids,) = asked
    assert ids.tolist() == list(range(55, 69))


def test_a_picture_has_a_code_for_every_cell_and_is_sent_once() -> None:
    sae = model(CELLS)
    found = within(sae, CELLS, [(1, 17), (1, 20)], reach=0)
    assert {one["picture"] for one in found.values()} == {12}
    one = found[1, 20]
    assert (one["grid"], one["here"], len(one["codes"])) == (GRID, 8, 12)
    sent = contexts.picture(CELLS, 12)
    assert sent is not None
    kind, content = sent["uri"].split(",")
    assert kind == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(content))) as image:
        np.testing.assert_array_equal(np.asarray(image), CELLS.context(20).picture)


def test_a_large_picture_is_made_smaller() -> None:
    class Large(Cells):
        def context(self, id: int, reach: int = 12) -> Context:
            return Context(ids=(id,), here=0, picture=np.zeros((600, 900, 3), np.uint8), grid=(1, 1))

    sent = contexts.picture(Large(), 0, side=300)
    assert sent is not None
    assert (sent["height"], sent["width"]) == (200, 300)
    assert sent["uri"].startswith("data:image/jpeg")


def test_samples_that_are_wholes_have_no_context() -> None:
    source = toy_source()
    assert within(toy_job("topk", source).sae, source, [(0, 1)], reach=5) == {}
    assert contexts.picture(source, 0) is None
    assert contexts.picture(TEXTS, 0) is None


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        (" fox", " fox"),
        ("\n\n", "↵↵"),
        ("\ta\r", "⇥a␍"),
        ("\u202eevil\u2066", "⟨202E⟩evil⟨2066⟩"),
        ("\x00\x1b", "␀␛"),
        ("\ud800", "�"),
        ("x" * 60, "x" * 40 + "…"),
        ("سلام", "سلام"),
        ("👩\u200d🔬", "👩\u200d🔬"),
        (HOSTILE, HOSTILE),
    ],
)
def test_tokens_are_shown_so_that_people_can_read_them(token: str, shown: str) -> None:
    assert readable(token) == shown
    json.dumps(readable(token)).encode()


@pytest.mark.parametrize(("token", "shown"), [(" fox", "fox"), ("  ", "␣␣"), ("", "∅"), ("\n", "↵")])
def test_in_a_list_the_space_before_a_word_is_left_out(token: str, shown: str) -> None:
    assert word(token) == shown
