"""What was verified, as pictures, charts and rows."""

import dataclasses

import numpy as np
from toys import F, toy_job

from sparsight.core import Claim, Evidence
from sparsight.report.evidence import inner
from sparsight.views import evidence as views

STABILITY = Claim(
    name="stability",
    said="3 of <24> are real",
    value=0.7,
    low=0.6,
    high=0.8,
    null=0.3,
    holds=True,
    numbers={"nulls": {"gaussian-0": 0.3, "shuffled": 0.2}},
)
CURVE = [{"size": size, "share": share, "null": 0.0} for size, share in ((0.01, 0.0), (0.1, 1.0))]
PLANTS = Claim(name="plants", said="one is found", value=1.0, holds=False, numbers={"curve": CURVE})


def found(real: tuple[int, ...] = (3, 5, 9)) -> Evidence:
    columns = {
        "stability": np.linspace(0, 1, F),
        "nearest_null": np.full(F, 0.4),
        "real": np.isin(np.arange(F), real),
    }
    return Evidence(claims=(STABILITY, PLANTS), columns=columns, left_out={"use": "there are no labels"})


def test_real_features_come_first_and_then_the_stable_ones() -> None:
    assert views.order(found()).tolist()[:5] == [9, 5, 3, F - 1, F - 2]


def test_only_real_features_have_a_green_frame() -> None:
    sae = toy_job("topk").sae
    pixels = views.picture(found(), sae)
    assert pixels is not None and pixels.dtype == np.uint8 and pixels.shape[2] == 3
    green = (np.array(views.REAL) * 255).round().astype(np.uint8)
    side, drawn = 4 + 2 * views.FRAME, 2 * 2
    area = (side**2 - 4**2) * drawn
    assert (pixels == green).all(2).sum() == 3 * area
    none = views.picture(found(real=()), sae)
    assert none is not None and not (none == green).all(2).any()


def test_without_a_verdict_or_a_geometry_there_is_no_picture() -> None:
    sae = toy_job("topk").sae
    assert views.picture(dataclasses.replace(found(), columns={}), sae) is None
    assert set(views.figures(dataclasses.replace(found(), columns={}))) == {"Planted features that are found"}
    assert views.figures(Evidence(claims=(), columns={})) == {}


def test_every_claim_is_a_row_and_a_sentence_and_what_is_left_out_says_why() -> None:
    page = inner(found(), toy_job("topk").sae)
    assert page.count("<tr>") == 3
    assert "3 of &lt;24&gt; are real" in page
    assert "<b>plants (does not hold)</b>" in page
    assert "<b>use</b> is left out: there are no labels." in page
    assert set(views.figures(found())) == {
        "Stability",
        "Stability against null data",
        "Planted features that are found",
    }
    assert page.count("<img") == 1
