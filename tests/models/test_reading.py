"""Rows of activations: they are what the layer gave, in order, whatever its shape."""

from typing import Any

import numpy as np
import pytest
import torch
from tiny import TEXTS
from torch import Tensor, nn

from sparsight.core.taps import Tap
from sparsight.errors import SparsightError
from sparsight.models.host import Host, open_host
from sparsight.models.reading import Reading, Site
from sparsight.spec import build

PIXELS = np.random.default_rng(0).random((5, 8, 8)).astype(np.float32)


def of_pictures(host: Host, *at: str, **knobs: Any) -> Reading:
    source = build("source", "arrays", data=PIXELS)
    return Reading(host, build("feed", "items", source=source, per_block=2), at, **knobs)


def of_texts(host: Host, *at: str) -> Reading:
    return Reading(host, build("feed", "texts", documents=TEXTS, context=12, per_block=24, host=host), at)


class Gives(nn.Module):
    """A layer that makes of pictures [n, 1, 8, 8] whatever it is told to."""

    def __init__(self, make: Any) -> None:
        super().__init__()
        self.inner, self.make = nn.Identity(), make

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(self.make(x))


def test_the_tokens_of_a_text_are_rows(bert: Host) -> None:
    reading = of_texts(bert, "encoder.layer.1", "encoder.layer.0.intermediate")
    assert {name: site.width for name, site in reading.sites.items()} == {
        "encoder.layer.1": 16,
        "encoder.layer.0.intermediate": 32,
    }
    for number in range(len(reading.feed)):
        block = reading.feed.block(number)
        given = Tap(bert.module, ["encoder.layer.1"])(**block.kwargs)["encoder.layer.1"]
        rows = reading.rows(number)["encoder.layer.1"]
        assert block.keep is not None
        assert torch.equal(rows, given.flatten(0, 1)[block.keep])
        assert (
            len(rows)
            == reading.counts("encoder.layer.1")[number]
            == len(reading.columns("encoder.layer.1", number)["item"])
        )


def test_a_row_of_a_text_does_not_depend_on_padding(bert: Host) -> None:
    alone = Reading(
        bert, build("feed", "texts", documents=[TEXTS[3]], host=bert, context=12, per_block=24), ["encoder.layer.1"]
    )
    among = of_texts(bert, "encoder.layer.1")
    name = "encoder.layer.1"
    rows = torch.cat([among.rows(n)[name][among.columns(name, n)["item"] == 3] for n in range(len(among.feed))])
    assert torch.allclose(rows, alone.rows(0)[name], atol=1e-5)


def test_the_pixels_of_a_layer_are_rows_on_a_grid(net: Host) -> None:
    reading = of_pictures(net, "second")
    assert reading.sites["second"] == Site(width=6, cells=4, grid=(2, 2))
    given = Tap(net.module, ["second"])(reading.feed.block(1).args[0])["second"]
    rows, columns = reading.rows(1)["second"], reading.columns("second", 1)
    for row, item, cell in zip(rows, columns["item"].tolist(), columns["position"].tolist(), strict=True):
        assert torch.equal(row, given[item - 2, :, cell // 2, cell % 2])
    assert reading.counts("second").tolist() == [8, 8, 4]


@pytest.mark.parametrize(
    ("make", "knobs", "site"),
    [
        (lambda x: x.flatten(1), {}, Site(width=64)),
        (lambda x: x.flatten(1).view(-1, 16, 4), {}, Site(width=4, cells=16, grid=(4, 4))),
        (lambda x: x.flatten(1)[:, :51].reshape(-1, 17, 3), {}, Site(width=3, cells=16, grid=(4, 4), skipped=1)),
        (lambda x: x.flatten(1)[:, :51].reshape(-1, 17, 3), {"special": True}, Site(width=3, cells=17)),
        (lambda x: x.movedim(1, -1), {"channels": "last"}, Site(width=1, cells=64, grid=(8, 8))),
    ],
)
def test_layers_of_every_shape_have_rows(make: Any, knobs: dict[str, Any], site: Site) -> None:
    reading = of_pictures(open_host(Gives(make)), "inner", **knobs)
    assert reading.sites["inner"] == site
    x = reading.feed.block(2).args[0]
    expected = make(x).movedim(1, -1) if make(x).ndim == 4 and not knobs else make(x)
    expected = expected.reshape(len(x), -1, site.width)[:, site.skipped :].reshape(-1, site.width)
    assert torch.equal(reading.rows(2)["inner"], expected)


@pytest.mark.parametrize("special", [True, False])
def test_changed_rows_go_back_where_they_came_from(net: Host, bert: Host, special: bool) -> None:
    class_token = open_host(Gives(lambda x: x.flatten(1)[:, :51].reshape(-1, 17, 3)))
    for reading in (of_pictures(net, "second"), of_texts(bert, "encoder.layer.1"), of_pictures(class_token, "inner")):
        (name,) = reading.at
        block = reading.feed.block(0)
        given = reading.outputs(block)[name]
        assert torch.equal(reading.edited(name, given, block, lambda rows: rows, special), given)
        negated = reading.edited(name, given, block, torch.neg, special)
        assert torch.equal(reading._rows(name, negated, block, 0), -reading.rows(0)[name])
        elsewhere = int((negated == given).sum()) - int((given == 0).sum())
        outside = given.numel() - reading.rows(0)[name].numel()
        assert elsewhere == (0 if special else outside)


def test_a_model_whose_width_changes_is_refused() -> None:
    widths = iter([16, 16, 16, 32])
    reading = of_pictures(open_host(Gives(lambda x: x.flatten(1)[:, : next(widths)])), "inner")
    reading.rows(0)
    reading.rows(1)
    with pytest.raises(SparsightError, match="gives rows of 32 in block 2, and 16 in the first: a model whose width"):
        reading.rows(2)


def test_a_model_whose_places_change_is_refused() -> None:
    places = iter([16, 8])
    reading = of_pictures(open_host(Gives(lambda x: x.flatten(1).view(-1, 64, 1)[:, : next(places)])), "inner")
    with pytest.raises(SparsightError, match="gives 16 rows in block 1 where 32 are expected: give items of one size"):
        reading.rows(1)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda x: x.sum(), r"gives \[\] of torch.float32: rows of floating-point numbers"),
        (lambda x: x.flatten(1).long(), "of torch.int64: rows of floating-point numbers"),
        (lambda x: x[:, :, :, :, None], "rows of floating-point numbers are needed"),
        (lambda x: x @ torch.ones(3, 3), r"failed on inputs of \[2, 1, 8, 8\] \(RuntimeError"),
    ],
)
def test_a_layer_that_gives_no_rows_is_one_sentence(make: Any, sentence: str) -> None:
    with pytest.raises(SparsightError, match=sentence):
        of_pictures(open_host(Gives(make)), "inner")


def test_a_layer_that_gives_one_row_for_a_text_is_refused(bert: Host) -> None:
    with pytest.raises(SparsightError, match="one row for each token is needed"):
        of_texts(bert, "pooler")


def test_the_fingerprint_is_that_of_model_feed_and_layers(bert: Host, net: Host) -> None:
    base = of_pictures(net, "second").fingerprint()
    assert of_pictures(net, "second").fingerprint() == base
    assert len({base, of_pictures(net, "first").fingerprint(), of_texts(bert, "encoder.layer.1").fingerprint()}) == 3
