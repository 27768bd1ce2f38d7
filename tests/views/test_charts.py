import math
from xml.etree import ElementTree

import numpy as np
import pytest

from sparsight.views import charts

SVG = "{http://www.w3.org/2000/svg}"
X = np.arange(10.0)


def parsed(chart: str) -> ElementTree.Element:
    return ElementTree.fromstring(chart)


def words(chart: str) -> list[str]:
    return [text.text or "" for text in parsed(chart).iter(f"{SVG}text")]


def test_curves_are_drawn_in_their_places_and_named() -> None:
    chart = charts.lines({"falling": (X, 10.0 - X), "a < b": (X, X)}, x="epoch", y="loss")
    curves = [path for path in parsed(chart).iter(f"{SVG}path") if path.get("fill") == "none"]
    assert len(curves) == 2
    points = np.array([pair.split() for pair in curves[0].get("d", "")[1:].split("L")], float)
    assert len(points) == 10
    assert (np.diff(points[:, 0]) > 0).all()
    assert (np.diff(points[:, 1]) > 0).all()  # down the page
    assert {"falling", "a < b", "epoch", "loss"} <= set(words(chart))


def test_what_is_not_finite_or_not_above_0_on_a_logarithmic_axis_is_left_out() -> None:
    ys = np.array([math.nan, 0.0, -1.0, *range(1, 8)])
    chart = charts.lines({"a": (X, ys)}, x="", y="loss", log_y=True)
    (curve,) = [path for path in parsed(chart).iter(f"{SVG}path") if path.get("fill") == "none"]
    assert curve.get("d", "").count("L") == 6
    assert words(charts.lines({"a": (X, ys * math.nan)}, x="", y="loss")) == ["loss: nothing was logged"]


def test_a_constant_curve_has_a_place_in_the_middle() -> None:
    chart = charts.lines({"L0": (X, np.full(10, 28.0))}, x="epoch", y="features")
    (curve,) = [path for path in parsed(chart).iter(f"{SVG}path") if path.get("fill") == "none"]
    middle = (charts.TOP + charts.HEIGHT - charts.BOTTOM) / 2
    heights = [float(pair.split()[1]) for pair in curve.get("d", "")[1:].split("L")]
    assert heights == pytest.approx([middle] * 10, abs=0.1)


def test_shares_fill_the_whole() -> None:
    chart = charts.areas(X, {"a": np.full(10, 0.25), "b": np.full(10, 0.75)}, x="epoch", y="share")
    fills = [path for path in parsed(chart).iter(f"{SVG}path") if path.get("opacity") == ".8"]
    tops = [min(float(pair.split()[1]) for pair in p.get("d", "")[1:-1].split("L")) for p in fills]
    assert tops == [pytest.approx(charts.HEIGHT - charts.BOTTOM - 0.25 * 198), pytest.approx(charts.TOP)]


@pytest.mark.parametrize("log_x", [False, True])
def test_bars_are_as_high_as_their_counts_and_marks_stand_where_they_should(log_x: bool) -> None:
    counts, edges = np.array([1, 4, 2]), np.array([0.001, 0.01, 0.1, 1.0])
    chart = charts.bars(counts, edges, x="rate", y="features", log_x=log_x, marks={"target": 0.1, "nowhere": math.nan})
    heights = [float(bar.get("height", 0)) for bar in parsed(chart).iter(f"{SVG}rect")]
    np.testing.assert_allclose(np.array(heights) / heights[1], counts / 4, atol=1e-3)
    assert "target" in words(chart)
    assert "nowhere" not in words(chart)


def test_points_have_the_colour_of_their_group_and_grey_where_they_have_none() -> None:
    chart = charts.scatter(np.random.default_rng(0).normal(size=(3, 2)), np.array([1, 0, -1]), ["a", "b"], x="", y="")
    colours = [dot.get("fill") for dot in parsed(chart).iter(f"{SVG}circle")]
    assert colours == [charts.COLOURS[1], charts.COLOURS[0], charts.UNKNOWN]


def test_a_gabor_of_the_highest_frequency_lies_on_the_outer_ring_and_one_that_was_not_fitted_nowhere() -> None:
    chart = charts.polar(np.array([math.pi / 2, math.nan]), np.array([0.5, 0.1]), np.array([0.9, 0.9]))
    (dot,) = parsed(chart).iter(f"{SVG}circle")
    assert float(dot.get("cx", 0)) == pytest.approx(charts.WIDTH / 2)
    assert float(dot.get("cy", 0)) == pytest.approx(charts.TOP)


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0, "0"), (0.25, "0.25"), (1e-5, "1e-5"), (250_000.0, "2e5"), (10_000.0, "10000"), (28.0, "28")],
)
def test_numbers_on_axes_are_short(value: float, said: str) -> None:
    assert charts.short(value) == said
