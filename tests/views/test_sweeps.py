import re
from typing import Any

import numpy as np

from sparsight.views import charts
from sparsight.views.sweeps import HEIGHT, best, figures, plot


def row(name: str, explained: float | None, l0: float | None, dead: int | None = 0, **more: Any) -> dict[str, Any]:
    return {"name": name, "explained_variance": explained, "l0": l0, "dead": dead, "best": False, **more}


def test_best_are_those_that_no_other_dominates() -> None:
    rows = [
        row("cheap", 0.5, 4.0),
        row("dear", 0.8, 32.0),
        row("as dear and worse", 0.7, 32.0),
        row("dearer and as good", 0.5, 8.0),
        row("between", 0.6, 8.0),
        row("its twin", 0.6, 8.0),
        row("not ended", None, None, None),
    ]
    assert [r["name"] for r, chosen in zip(rows, best(rows), strict=True) if chosen] == [
        "cheap", "dear", "between", "its twin",
    ]  # fmt: skip
    # by brute force, for random costs
    dice = np.random.default_rng(0)
    points = dice.integers(0, 6, (40, 2))
    found = best([row("", float(a), float(b)) for a, b in points])
    for (a, b), chosen in zip(points, found, strict=True):
        dominated = ((points[:, 0] >= a) & (points[:, 1] <= b) & ((points[:, 0] > a) | (points[:, 1] < b))).any()
        assert chosen == (not dominated)


def test_the_plot_has_the_cheap_at_the_left_and_the_good_on_top() -> None:
    rows = [row("a", 0.4, 4.0, best=True), row("b", 0.8, 64.0), row("c", 0.6, 16.0), row("d", None, None)]
    rows[0]["best"] = True
    lines = plot({"rows": rows}).splitlines()
    body = [line.partition("│")[2] for line in lines[1 : 1 + HEIGHT]]
    assert body[0].endswith("○") and "80.0%" in lines[1]
    assert body[-1].startswith("●") and "40.0%" in lines[HEIGHT]
    middle = next(line for line in body[1:-1] if "○" in line)
    assert abs(middle.index("○") - body[0].index("○") / 2) <= 1  # 16 lies halfway on a logarithmic axis
    assert "4.0" in lines[-1] and "64.0" in lines[-1] and "logarithmic" in lines[-1]


def test_a_plot_of_one_model_or_none() -> None:
    assert plot({"rows": []}) == ""
    assert plot({"rows": [row("a", -0.5, 0.0)]}).count("○") == 1
    assert "there is nothing to show yet" in figures({"rows": []})["Explained variance against L0"]


def test_chosen_points_are_named_marked_and_joined_from_left_to_right() -> None:
    xs, ys, marked = np.array([32.0, 4.0, 16.0]), np.array([0.8, 0.5, 0.4]), np.array([True, True, False])
    chart = charts.chosen(xs, ys, ["<dear>", "cheap", "worse"], marked, x="L0", y="y", log_x=True, counts=False)
    assert "<title>&lt;dear&gt;</title>" in chart
    assert chart.count('r="4.5"') == 2
    assert chart.count('r="3"') == 1
    line = re.search(r'd="M([^"]*)" fill="none"', chart)
    assert line is not None
    (left, _), (right, _) = (point.split() for point in line[1].split("L"))
    assert float(left) < float(right)
    counts = charts.chosen(xs, np.zeros(3), ["a", "b", "c"], marked, x="L0", y="y", log_x=True, counts=True)
    assert 'fill="none"' not in counts
    assert ">-" not in counts
