"""Findings as pages read them."""

import json
from typing import Any

import pytest
from toys import F, toy_source

from sparsight.core import Finding, Number
from sparsight.job import Recipe, train
from sparsight.run import Run
from sparsight.spec import build, names
from sparsight.views import findings
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
    assert {build("rule", rule).stage for rule in known} <= set(findings.BY_STAGE)
    assert shown["raw-patches"] == ("samples", "")


def test_fixes_that_are_no_recipe_are_left_to_their_words(run: Run) -> None:
    run.put_findings([finding(changes=("architecture.nonsense=1",))])
    assert described(run)["mended"] == []
