"""A sweep as one record, and what its models pay for what they explain."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sparsight.sweeps import Sweep
from sparsight.views import charts

WIDTH, HEIGHT = 60, 14
"""Letters of the plot."""
UNITS = (
    "models differ in preprocessing, and each explained variance is in the units of its own model: `sparsight compare` "
    "measures in those of the data"
)


def described(sweep: Sweep) -> dict[str, Any]:
    """A sweep as a record that JSON can hold.

    Each of its `rows` is a model, with its `values` by key; of those that have ended, the held-out
    `explained_variance` and `l0` of `summary.json`, features that are `dead`, `seconds`, and whether they are `best`:
    no other model explains as much with fewer features per sample, or more with as many.
    """
    failed, rows = sweep.failed(), []
    units = set()
    for point in sweep.points():
        run = sweep.run(point)
        summary = None if run is None else run.summary
        quality = {} if summary is None else summary["quality"]
        if run is not None and summary is not None:
            units.add(repr(run.recipe["preprocess"]))
        rows.append(
            {
                "name": point.name,
                "values": sweep.grid.values(point),
                "ended": None if summary is None else summary["ended"],
                "failed": failed.get(point.name),
                **{name: quality.get(name) for name in ("explained_variance", "l0", "silent")},
                "dead": None if summary is None else summary["dead"],
                "seconds": None if summary is None else summary["seconds"],
                "measured_on": None if summary is None else summary["measured_on"],
            }
        )
    for row, chosen in zip(rows, best(rows), strict=True):
        row["best"] = chosen
    measured = dict.fromkeys(row.pop("measured_on") for row in rows)
    notes = []
    if len(units) > 1:
        notes.append(UNITS)
    return {
        "sweep": str(sweep.path),
        "recipe": sweep.grid.base["name"],
        "changes": sweep.asked["changes"],
        "search": sweep.search,
        "measured_on": " and ".join(said for said in measured if said is not None) or None,
        "rows": rows,
        "notes": notes,
    }


def best(rows: Sequence[Mapping[str, Any]]) -> list[bool]:
    """Which rows no other one dominates: as much explained and as few features per sample, and better in one."""
    points = [None if row["explained_variance"] is None else (row["explained_variance"], -row["l0"]) for row in rows]
    known = [point for point in points if point is not None]
    return [
        point is not None and not any(a >= point[0] and b >= point[1] and (a, b) != point for a, b in known)
        for point in points
    ]


def figures(record: Mapping[str, Any]) -> dict[str, str]:
    """What was described as charts, title by title, as SVG."""
    rows = _ended(record)
    l0 = np.array([row["l0"] for row in rows])
    names, chosen = [row["name"] for row in rows], np.array([row["best"] for row in rows], dtype=bool)
    found = {}
    for title, key in (("Explained variance", "explained_variance"), ("Dead features", "dead")):
        values = np.array([row[key] for row in rows], dtype=np.float64)
        found[f"{title} against L0"] = charts.chosen(
            l0, values, names, chosen, x="L0", y=title.lower(), log_x=far(l0), counts=key == "dead"
        )
    return found


def plot(record: Mapping[str, Any]) -> str:
    """Explained variance against L0 in letters: ● are best, ○ the others; empty where no model has ended.

    Models that explain less than the mean does stand at the foot.
    """
    rows = _ended(record)
    if not rows:
        return ""
    l0, explained = (np.array([row[key] for row in rows], dtype=np.float64) for key in ("l0", "explained_variance"))
    explained = np.maximum(explained, 0.0)
    across = _places(np.log(l0) if far(l0) else l0, WIDTH)
    up = _places(explained, HEIGHT)
    letters = [[" "] * WIDTH for _ in range(HEIGHT)]
    for row, a, b in sorted(zip(rows, across, up, strict=True), key=lambda placed: placed[0]["best"]):
        letters[HEIGHT - 1 - b][a] = "●" if row["best"] else "○"
    ends = {0: f"{explained.max():.1%}", HEIGHT - 1: f"{explained.min():.1%}"}
    lines = [f"{ends.get(n, ''):>7} │{''.join(line).rstrip()}" for n, line in enumerate(letters)]
    low, high = f"{l0.min():.1f}", f"{l0.max():.1f}"
    middle = "L0, logarithmic" if far(l0) else "L0"
    foot = f"{low}{middle:^{WIDTH - len(low) - len(high)}}{high}"
    return "\n".join(["explained", *lines, f"{'':7} └{'─' * WIDTH}", f"{'':9}{foot}"])


def _ended(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [row for row in record["rows"] if row["explained_variance"] is not None]


def far(values: np.ndarray) -> bool:
    """Whether a logarithmic axis shows more of them."""
    return len(values) > 0 and values.min() > 0 and values.max() / values.min() >= 4


def _places(values: np.ndarray, n: int) -> list[int]:
    low, high = values.min(), values.max()
    if not high > low:
        return [n // 2] * len(values)
    return [math.floor((value - low) / (high - low) * (n - 1) + 0.5) for value in values]
