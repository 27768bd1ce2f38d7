"""Every picture and table of a run as files."""

import base64
import csv
import io
import re
import tempfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from PIL import Image, ImageFont

from sparsight.core import Atlas, Source
from sparsight.run import Run
from sparsight.views import evidence, features, pictures, samples, words

ZOOM = 2
"""Pixels of a chart's PNG per unit of its SVG."""


def slug(title: str) -> str:
    """A title as the stem of a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def every(
    run: Run,
    atlas: Atlas,
    measured: Source,
    compared: Mapping[str, Any],
    drawn: Mapping[str, Mapping[str, str]],
) -> dict[str, bytes]:
    """Files by name: every picture as PNG and as SVG, every table as CSV.

    Charts are drawn as PNG where resvg-py is installed, an extra; `can_draw` says whether it is.

    Args:
        run: it has ended.
        atlas: the facts about its features.
        measured: the samples that the atlas was made from.
        compared: the run beside its nulls, from `comparison.compare`.
        drawn: its charts, from `views.figures.every`.
    """
    sae = run.sae()
    found = pictures.feature_pictures(run)
    if sae.schema.shape is not None and sae.schema.alike:
        chosen = samples.chosen(measured, samples.SAMPLES)
        made = {"reconstructions": samples.reconstructions(sae, measured, chosen)}
        for n, at in enumerate(chosen[: samples.BUILT].tolist(), 1):
            made[f"build-up-{n}"] = samples.build_up(sae, measured, at, samples.PARTS)["picture"]
        found |= {f"{name}.png": pictures.png(picture) for name, picture in made.items() if picture is not None}
    verified = run.verified
    real = None if verified is None else evidence.picture(verified, sae)
    found |= {} if real is None else {"real-features.png": pictures.png(real)}
    found |= {f"{Path(name).stem}.svg": wrapped(content) for name, content in found.items()}
    charts = {slug(title): chart for titled in drawn.values() for title, chart in titled.items()}
    found |= {f"{name}.svg": chart.encode() for name, chart in charts.items()}
    if can_draw():
        found |= {f"{name}.png": rastered(chart) for name, chart in charts.items()}
    tables = {"features.csv": features.as_csv(atlas, words.lines(atlas)), "comparison.csv": as_csv(compared)}
    return {**found, **{name: text.encode() for name, text in tables.items()}}


def wrapped(png: bytes) -> bytes:
    """The bytes of a PNG file as an SVG of the same pixels."""
    with Image.open(io.BytesIO(png)) as picture:
        width, height = picture.size
    data = base64.b64encode(png).decode()
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" style="image-rendering: pixelated">'
    return f'{head}<image width="{width}" height="{height}" href="data:image/png;base64,{data}"/></svg>'.encode()


def can_draw() -> bool:
    """Whether `rastered` can be had."""
    return _resvg() is not None


def rastered(chart: str) -> bytes:
    """An SVG on white as the bytes of a PNG file.

    Words are in the font of all our pictures, and what it lacks in those of the system, so a machine without fonts
    has words as well.
    """
    font = ImageFont.load_default(12)
    assert isinstance(font, ImageFont.FreeTypeFont)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "font.ttf"
        file.write_bytes(font.font_bytes)
        png = _resvg().svg_to_bytes(
            svg_string=chart,
            zoom=ZOOM,
            background="white",
            font_files=[str(file)],
            sans_serif_family=font.getname()[0],
        )
    return bytes(png)


def _resvg() -> Any:
    """The package, an extra; None: it is not installed."""
    try:
        return import_module("resvg_py")
    except ImportError:
        return None


def as_csv(compared: Mapping[str, Any]) -> str:
    """Runs and baselines, one per line, with every figure; one that is not known is left empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(compared["rows"][0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(compared["rows"])
    return text.getvalue()
