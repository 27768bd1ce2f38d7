"""What is wrong with a run, as pages read it."""

import shlex
from typing import Any

from sparsight.core import Finding
from sparsight.diagnosis import mended
from sparsight.errors import SparsightError
from sparsight.run import Run, finite
from sparsight.spec import build, names

BY_STAGE = {
    0: ("training", "Loss of each term"),
    1: ("samples", ""),
    2: ("training", "Share of the gradient"),
    3: ("training", "Explained variance"),
    4: ("filters", ""),
    5: ("filters", ""),
}
"""What shows a finding: a group of charts and how the title begins, some samples, or some filters."""
BY_RULE = {
    "target-missed": ("population", "Mean activity"),
    "half-a-divergence": ("population", "Mean activity"),
    "dense": ("population", "How often features fire"),
    "noise-strength": ("samples", ""),
    "no-weight-decay": ("filters", ""),
    "filters-collapsed": ("filters", ""),
}
"""Where the stage of its rule is not enough."""


def described(run: Run) -> dict[str, Any]:
    """The findings of a run, causes before their effects, as a record that JSON can hold.

    - `looked`: whether anybody has looked; `command`: what looks;
    - `findings`: each as its `record`, with the `page` of the docs, and `shown`: what to show of it, [`filters`,
      `samples` or a group of charts, and how the chart's title begins];
    - `mended`: the changes of its recipe that are the fixes of its causes; empty where no finding names any.

    Raises:
        SparsightError: a file of the run is damaged.
    """
    found = run.findings() if run.judged else []
    return {
        "looked": run.judged,
        "command": f"sparsight diagnose {shlex.quote(str(run.path))}",
        "findings": [_record(finding) for finding in found],
        "mended": _changes(run, found),
    }


def _record(finding: Finding) -> dict[str, Any]:
    return finite({**finding.record(), "page": finding.page, "shown": list(_shown(finding))})


def _shown(finding: Finding) -> tuple[str, str]:
    if finding.features:
        return "filters", ""
    if finding.rule in BY_RULE:
        return BY_RULE[finding.rule]
    stage = build("rule", finding.rule).stage if finding.rule in names("rule") else 2
    return BY_STAGE[stage]


def _changes(run: Run, found: list[Finding]) -> list[str]:
    try:
        return mended(run.recipe, found)[1]
    except SparsightError:  # the findings say in words what to do
        return []
