import base64
import csv
import io
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image
from toys import F, toy_source

from sparsight.atlas import survey
from sparsight.comparison import compare
from sparsight.core import Source
from sparsight.job import Recipe, train
from sparsight.spec import build
from sparsight.views import charts, exports, figures, pictures

SVG = "{http://www.w3.org/2000/svg}"


def exported(folder: Path, source: Source) -> dict[str, bytes]:
    spec = {"n_latents": F, "architecture": {"name": "topk", "k": 4}, "train": {"epochs": 1.0, "log_every": 4}}
    run = train(Recipe.parse(spec), folder / "run", source)
    atlas = survey(run.sae(), source, fits=2)
    compared = compare([run], source=source, baselines=("mean",))
    return exports.every(run, atlas, source, compared, figures.every(run, atlas, source))


def test_a_picture_as_svg_has_the_pixels_of_its_png() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    svg = ElementTree.fromstring(exports.wrapped(pictures.png(pixels)))
    (image,) = svg.iter(f"{SVG}image")
    assert svg.get("viewBox") == "0 0 7 5"
    head, _, data = image.get("href", "").partition(",")
    assert head == "data:image/png;base64"
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))), pixels)


def test_every_svg_is_one_and_the_comparison_is_a_table(tmp_path: Path) -> None:
    found = exported(tmp_path, toy_source())
    for name, content in found.items():
        if name.endswith(".svg"):
            assert ElementTree.fromstring(content).tag == f"{SVG}svg", name
    rows = list(csv.DictReader(io.StringIO(found["comparison.csv"].decode())))
    assert [row["kind"] for row in rows] == ["run", "null"]
    assert float(rows[1]["explained_variance"]) == pytest.approx(0, abs=1e-9)
    assert rows[1]["dead"] == rows[0]["probe_error"] == ""


def test_without_a_geometry_there_are_charts_and_tables_alone(tmp_path: Path) -> None:
    source = build("source", "arrays", data=toy_source(pictures=False).gather(torch.arange(64)))
    found = exported(tmp_path, source)
    assert {"loss-of-each-term.svg", "features.csv", "comparison.csv"} <= set(found)
    assert not [name for name in found if re.match("decoder|reconstructions|build-up|gabor", name)]


def test_a_chart_is_drawn_in_its_colours_with_words_on_white() -> None:
    pytest.importorskip("resvg_py")
    chart = charts.bars(np.array([1]), np.array([0.0, 1.0]), x="share", y="features")
    png = exports.rastered(chart)
    with Image.open(io.BytesIO(png)) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    assert pixels.shape == (2 * charts.HEIGHT, 2 * charts.WIDTH, 3)
    assert pixels[0, 0].tolist() == [255, 255, 255]
    middle = pixels[charts.HEIGHT, charts.WIDTH]
    assert middle.tolist() == [int(charts.COLOURS[0][at : at + 2], 16) for at in (1, 3, 5)]
    below = pixels[2 * charts.HEIGHT - 40 :]  # the name of the axis
    assert (below.sum(2) < 200).sum() > 50
