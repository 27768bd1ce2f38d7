"""Findings as pages read them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toys import F, toy_source

from sparsight.core import Claim, Evidence, Finding, Number
from sparsight.job import Recipe, train
from sparsight.run import Run
from sparsight.spec import factory, names
from sparsight.views import evidence, findings
from sparsight.views.findings import described

HOSTILE = "</script><script>alert(1)</script>"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    spec = {"n_latents": F, "architecture": {"name": "relu_l1", "l1": 0.1}, "train": {"epochs": 1.0}}
    return train(Recipe.parse(spec), tmp_path_factory.mktemp("runs") / "a toy", toy_source())


def finding(rule: str = "dead", **more: Any) -> Finding:
    return Finding(**{"rule": rule, "id": "D10", "severity": "red", "said": HOSTILE, "cause": "", "fix": "", **more})


def test_where_nobody_has_looked_there_is_the_command_that_does(run: Run) -> None:
    record = described(run)
    assert record["looked"] is False and record["findings"] == record["mended"] == []
    assert record["command"] == f"sparsight diagnose '{run.path}'"


def test_findings_are_records_with_what_shows_them(run: Run) -> None:
    number = Number(name="share", value=float("inf"), limit=0.1, null=0.0, about="n / N")
    run.put_findings([finding(numbers=(number,), features=(3, 1), changes=("architecture.l1=0.05",)), finding("dense")])
    record = described(run)
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    first, second = record["findings"]
    assert first["said"] == HOSTILE and first["features"] == [3, 1] and first["page"] == "faults/dead.md"
    assert first["numbers"] == [{"name": "share", "value": None, "limit": 0.1, "null": 0.0, "about": "n / N"}]
    assert first["shown"] == ["filters", ""]
    assert second["shown"] == ["population", "How often features fire"]
    assert record["mended"] == ["architecture.l1=0.05"]


def test_there_is_something_to_show_for_every_rule(run: Run) -> None:
    known = names("rule")
    run.put_findings([finding(rule) for rule in [*known, "of a plugin that is not there"]])
    shown = {each["rule"]: tuple(each["shown"]) for each in described(run)["findings"]}
    assert {group for group, _ in shown.values()} <= {"filters", "samples", "training", "population"}
    assert set(findings.BY_RULE) <= set(known)
    assert {factory("rule", rule).stage for rule in known} <= set(findings.BY_STAGE)
    assert shown["raw-patches"] == ("samples", "")


def test_fixes_that_are_no_recipe_are_left_to_their_words(run: Run) -> None:
    run.put_findings([finding(changes=("architecture.nonsense=1",))])
    assert described(run)["mended"] == []


def test_evidence_is_of_the_weights_that_the_run_has_now(run: Run) -> None:
    summary = run.summary
    assert summary is not None
    record = evidence.described(run)
    assert not record["verified"] and not record["outdated"]
    assert record["command"] == f"sparsight verify '{run.path}'"
    real = [n in (4, 7) for n in range(F)]
    columns = evidence_columns(real)
    claim = Claim(
        name="stability", said=HOSTILE, value=0.7, low=0.6, high=0.8, null=0.3, holds=True, numbers={"nulls": {}}
    )
    run.put_evidence(
        Evidence(claims=(claim,), columns=columns, left_out={"use": "no labels"}, rests_on={"weights": "old"})
    )
    assert evidence.described(run)["outdated"]
    now = Evidence(
        claims=(claim,), columns=columns, left_out={"use": "no labels"}, rests_on={"weights": summary["weights"]}
    )
    run.put_evidence(now)
    record = evidence.described(run)
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["verified"] and record["real"] == 2 and record["of"] == F
    assert record["features"]["ids"][:2] == [7, 4]
    assert record["features"]["columns"]["real"][:3] == [True, True, False]
    assert record["claims"][0]["said"] == HOSTILE
    assert record["claims"][0]["numbers"] == {"value": 0.7, "low": 0.6, "high": 0.8, "null": 0.3}
    assert record["left_out"] == {"use": "no labels"}
    assert "Stability" in record["charts"]
    (run.path / "summary.json").rename(run.path / "elsewhere")
    assert not evidence.described(run)["ended"] and not evidence.described(run)["outdated"]
    Path(run.path / "elsewhere").rename(run.path / "summary.json")


def evidence_columns(real: list[bool]) -> dict[str, Any]:
    return {"stability": np.linspace(0, 1, F), "nearest_null": np.full(F, np.nan), "real": np.array(real)}
