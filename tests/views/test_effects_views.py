"""Effects as tables in words."""

from typing import Any

import pytest

from sparsight.views.effects import described, tiles

SHARE = {"zero": {"ratio_of_means": 0.9, "mean_of_ratios": 0.8, "left_out": 0}}


def record(kind: str, unit: str, samples: dict[str, Any], clean: dict[str, float]) -> dict[str, Any]:
    return {
        "kind": kind, "unit": unit, "at": ["layer"], "model": "m", "replaced": 1234,
        "measured_on": "5 held-out documents",
        "blocks": 2, "of_blocks": 3, "n": 1000, "clean": clean, "samples": samples, "everywhere": None, "notes": ["a"],
        "beside": None,
    }  # fmt: skip


def language() -> dict[str, Any]:
    samples = {
        "spliced": {"loss": 2.8, "kl": 0.5}, "zero": {"loss": 10.0, "kl": 7.0}, "mean": {"loss": 6.0, "kl": 4.0},
        "loss_recovered": {**SHARE, "mean": {"ratio_of_means": 0.8, "mean_of_ratios": 0.7, "left_out": 1}},
    }  # fmt: skip
    return record("next_token", "predicted token", samples, {"loss": 2.0})


def test_loss_recovered_is_beside_both_nulls() -> None:
    shown = described(language())
    (group,) = shown["groups"]
    assert group["rows"] == [
        ["the model itself", "2.000", "–", "100.0%", "–", "100.0%"],
        ["reconstruction", "2.800", "0.500", "90.0%", "80.0%", "80.0%"],
        ["mean (null)", "6.000", "4.000", "50.0%", "–", "0.0%"],
        ["zeros (null)", "10.000", "7.000", "0.0%", "–", "-100.0%"],
    ]
    assert set(shown["heads"]) == set(shown["meanings"]) and shown["notes"] == ["a"]
    assert (
        "1,234 samples replaced in 5 held-out documents, 2 of 3 blocks; figures are means over 1,000" in shown["said"]
    )
    assert tiles(language()) == [("loss recovered in the model", "90.0%", "zeros 0.0%, mean 50.0%")]


def test_an_ablation_that_costs_nothing_is_a_dash() -> None:
    one = language()
    one["samples"]["zero"]["loss"] = 2.0
    one["samples"]["loss_recovered"]["zero"] = {"ratio_of_means": None, "mean_of_ratios": None, "left_out": 9}
    assert described(one)["groups"][0]["rows"][1][3:5] == ["–", "–"]
    assert tiles(one)[0][1] == "–"


@pytest.mark.parametrize(
    ("kind", "measure", "name", "value"),
    [("embedding", "cosine", "embedding's cosine", "0.970"), ("classes", "agreement", "same class", "97.0%")],
)
def test_other_models_have_their_own_figure(kind: str, measure: str, name: str, value: str) -> None:
    samples = {of: {measure: at, "kl": 0.1} for of, at in (("spliced", 0.97), ("zero", 0.2), ("mean", 0.3))}
    one = record(kind, "item", samples, {})
    (tile,) = tiles(one)
    assert tile[0].startswith(name) and tile[1] == value and "zeros" in tile[2]
    assert described(one)["groups"][0]["rows"][0][:2] == ["reconstruction", value]
