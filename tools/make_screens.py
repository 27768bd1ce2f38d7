"""Make the pictures of the explorer for README and docs: `make screens`. It needs Chromium."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from PIL import Image
from playwright.sync_api import Page, ViewportSize, sync_playwright

from sparsight import recipes, spec
from sparsight.atlas import survey
from sparsight.comparison import NULLS, beside
from sparsight.diagnosis import diagnose
from sparsight.explore.serving import bound
from sparsight.explore.shelf import Shelf
from sparsight.job import Recipe, data_of, train
from sparsight.run import Run

OUT = Path(__file__).parents[1] / "docs" / "figures" / "explorer"
SIZE: ViewportSize = {"width": 1400, "height": 860}
COLOURS = 160
"""Of a picture: enough for pages, and a third of the bytes."""
RUNS = {
    "strokes": ("strokes", []),
    "strokes-2": ("strokes", ["seed=1"]),
    "question": ("question", []),
    "k8": ("strokes", ["architecture.k=8", "train.epochs=15"]),
}


def main() -> None:
    """Train some runs, and look at every page of the explorer."""
    OUT.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        place = Path(folder) / "runs"
        for name, (recipe, changes) in RUNS.items():
            made(place / name, recipe, changes)
        server = bound(Shelf([place]))
        server.start()
        with sync_playwright() as playwright:
            path = os.environ.get("SPARSIGHT_BROWSER", "/usr/bin/chromium")
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
            for scheme, name, route, act in VIEWS:
                tab = browser.new_page(viewport=SIZE, color_scheme=scheme)
                tab.goto(server.address)
                tab.evaluate("route => { location.hash = route; }", f"#{route}")
                tab.wait_for_timeout(2500)
                act(tab)
                tab.wait_for_timeout(900)
                put(name, tab.screenshot())
                tab.close()
            browser.close()
        server.stop()


def made(path: Path, recipe: str, changes: list[str]) -> Run:
    """A run of digits, measured, compared and diagnosed."""
    run = train(Recipe.parse(spec.override(recipes.read(recipe), ["source=digits", *changes])), path)
    training, measured = data_of(run)
    run.put_atlas(survey(run.sae(), measured))
    run.put_compared(beside([run], [(training, measured)], NULLS))
    run.put_findings(diagnose(run))
    return run


def nothing(_: Page) -> None:
    """It is looked at as it opens."""


def drawn(tab: Page) -> None:
    """A three, by mouse."""
    box = tab.locator("canvas").first.bounding_box()
    assert box is not None
    points = [(0.34, 0.24), (0.5, 0.18), (0.63, 0.27), (0.58, 0.42), (0.46, 0.48), (0.62, 0.55), (0.67, 0.7)]
    points += [(0.56, 0.81), (0.4, 0.81), (0.32, 0.73)]
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    tab.mouse.move(*at[0])
    tab.mouse.down()
    for x, y in at[1:]:
        tab.mouse.move(x, y, steps=6)
    tab.mouse.up()


def put(name: str, content: bytes) -> None:
    """Write a screenshot with fewer colours."""
    with Image.open(io.BytesIO(content)) as picture:
        few = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        few.save(OUT / f"{name}.png", optimize=True)


VIEWS: list[tuple[Literal["light", "dark"], str, str, Callable[[Page], None]]] = [
    ("light", "runs", "/", nothing),
    ("light", "features", "/run/strokes/features?at=52", nothing),
    ("dark", "map", "/run/strokes/features?view=map&at=52", nothing),
    ("light", "feature", "/run/strokes/feature/3", nothing),
    ("dark", "playground", "/run/strokes/play", drawn),
    ("light", "findings", "/run/question/findings", nothing),
    ("light", "compare", "/compare?runs=strokes,strokes-2", lambda tab: tab.mouse.wheel(0, 500)),
    ("light", "live", "/run/strokes/live", nothing),
    ("light", "train", "/new?recipe=strokes", nothing),
]


if __name__ == "__main__":
    main()
