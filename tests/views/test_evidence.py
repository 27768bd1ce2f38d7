"""What was verified, as pictures, charts and rows."""

import dataclasses
import json

import numpy as np
import pytest
from toys import F, toy_job, toy_source

from sparsight.core import Claim, Evidence
from sparsight.job import Recipe, train
from sparsight.run import Run
from sparsight.views import evidence as views
from sparsight.views.evidence import described

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


def test_every_claim_is_a_row_in_words() -> None:
    first, second = views.rows(found())
    assert first["said"] == "3 of <24> are real"
    assert (first["value"], first["interval"], first["null"]) == ("0.700", "0.600 to 0.800", "0.300")
    assert (second["holds"], second["interval"], second["null"]) == (False, "", "–")
    assert set(views.figures(found())) == {
        "Stability",
        "Stability against null data",
        "Planted features that are found",
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    spec = {"n_latents": F, "architecture": {"name": "topk", "k": 4}, "train": {"epochs": 1.0}}
    return train(Recipe.parse(spec), tmp_path_factory.mktemp("runs") / "a toy", toy_source())


def test_what_was_claimed_of_the_weights_that_a_run_has_now_is_a_record(run: Run) -> None:
    summary = run.summary
    assert summary is not None
    record = described(run)
    assert not record["verified"] and not record["outdated"]
    assert record["command"] == f"sparsight verify '{run.path}'"
    run.put_evidence(dataclasses.replace(found(), rests_on={"weights": "of another training"}))
    assert described(run)["outdated"] and not described(run)["verified"]
    columns = {**found().columns, "nearest_null": np.full(F, np.nan)}
    run.put_evidence(dataclasses.replace(found(), columns=columns, rests_on={"weights": summary["weights"]}))
    record = described(run)
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["verified"] and (record["real"], record["of"]) == (3, F)
    assert record["features"]["ids"][:4] == [9, 5, 3, F - 1]
    assert record["features"]["columns"]["real"][:4] == [True, True, True, False]
    assert record["features"]["columns"]["nearest_null"][0] is None
    assert record["claims"][0]["numbers"] == {"value": 0.7, "low": 0.6, "high": 0.8, "null": 0.3}
    assert record["left_out"] == {"use": "there are no labels"}
    assert "Stability" in record["charts"]
    (run.path / "summary.json").unlink()
    assert not described(run)["ended"] and not described(run)["outdated"]
