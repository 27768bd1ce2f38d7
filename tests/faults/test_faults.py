"""Broken models are told what is wrong with them, and healthy ones nothing."""

from pathlib import Path
from typing import Any

import pytest

from faults.bench import Entry, calibration, test
from sparsight.core import Finding

HEALTHY = [entry for entry in test() if entry.rule is None]
BROKEN = [entry for entry in test() if entry.rule is not None]


def found(entries: list[Entry], folder: Path) -> dict[str, tuple[Entry, list[Finding]]]:
    return {entry.name: (entry, entry.look(folder / str(n))) for n, entry in enumerate(entries)}


def test_every_rule_has_models_to_choose_its_limits_on_and_others_to_test_them() -> None:
    from sparsight.spec import names

    for half in (calibration(), test()):
        planted = [entry.rule for entry in half]
        for rule in names("rule"):
            assert planted.count(rule) >= 2, rule
        assert planted.count(None) >= 15
        assert {entry.data for entry in half} >= {"digits", "clothes", "patches", "vectors", "activations"}


@pytest.mark.slow
def test_the_true_cause_is_named_first(tmp_path: Path) -> None:
    looked = found(BROKEN, tmp_path)
    first = [name for name, (entry, said) in looked.items() if [each.rule for each in said[:1]] == [entry.rule]]
    three = [name for name, (entry, said) in looked.items() if entry.rule in [each.rule for each in said[:3]]]
    assert len(first) >= 0.95 * len(BROKEN), sorted(set(looked) - set(first))
    assert len(three) == len(BROKEN), sorted(set(looked) - set(three))


@pytest.mark.slow
def test_healthy_models_are_left_alone(tmp_path: Path) -> None:
    looked: dict[str, Any] = {name: said for name, (_, said) in found(HEALTHY, tmp_path).items()}
    red = [name for name, said in looked.items() if any(each.severity == "red" for each in said)]
    amber = [name for name, said in looked.items() if said]
    assert not red
    assert len(amber) <= 0.05 * len(HEALTHY), amber
