"""From the pen to the picture: `python benchmarks/playground.py [--features 1024 65536] [--strokes N]`.

TopK models of 784 inputs with k = 32 after one step of training; digits as data. Chromium shows the playground,
and a pen moves on its surface in steps, each after the answer to the last has been painted (`alone`), or all as fast as
a pen reports, at 60 a second (`together`; then a move waits for what is being answered, and for itself). A time is that
from the event's own stamp to the frame in which the reconstruction is shown that was asked for after it.
"""

import argparse
import json
import os
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

import torch
from playwright.sync_api import Page, sync_playwright

from sparsight.explore.serving import bound
from sparsight.explore.shelf import Shelf
from sparsight.job import Recipe, train

WATCH = """() => {
  const canvas = document.querySelector(".surface canvas"), made = document.querySelector(".made > .framed canvas");
  const pen = CanvasRenderingContext2D.prototype, put = pen.putImageData, ask = window.fetch;
  window.times = [];
  window.wait = () => { window.next = new Promise((done) => { window.shown = done; }); };
  let moved = [], asked = [];
  canvas.addEventListener("pointermove", (event) => { if (event.buttons) moved.push(event.timeStamp); }, true);
  window.fetch = (path, ...rest) => {
    if (path.endsWith("/play")) [asked, moved] = [moved, []];
    return ask(path, ...rest);
  };
  pen.putImageData = function (...given) {
    put.apply(this, given);
    if (this.canvas !== made) return;
    const mine = asked;
    asked = [];
    if (mine.length) requestAnimationFrame(() => {
      window.times.push(...mine.map((stamp) => performance.now() - stamp));
      window.shown();
    });
  };
}"""
HELD = 0.01


def strokes(page: Page, n: int, *, alone: bool) -> list[float]:
    """Milliseconds of n moves of the pen."""
    page.locator(".surface canvas").scroll_into_view_if_needed()
    box = page.locator(".surface canvas").bounding_box()
    assert box is not None
    page.evaluate("() => { window.times.length = 0; window.wait(); }")
    page.mouse.move(box["x"] + 30, box["y"] + 30)
    page.mouse.down()
    page.wait_for_timeout(600)
    for step in range(n):
        x, y = 0.1 + 0.8 * (step % 12) / 12, 0.1 + 0.8 * step / n
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        if alone:
            page.evaluate("() => window.next.then(window.wait)")
        else:
            page.wait_for_timeout(16)
    page.mouse.up()
    page.wait_for_timeout(600)
    return page.evaluate("window.times")


def measured(features: int, n: int, chromium: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        architecture = {"name": "topk", "k": 32, "auxk": 0.0}
        plan = {"epochs": 0.02, "batch_size": 128, "hold_out": HELD}
        spec = {"source": "digits", "n_latents": features, "architecture": architecture, "train": plan}
        train(Recipe.parse(spec), Path(folder) / "run")
        server = bound(Shelf([Path(folder)]))
        server.start()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.goto(server.address)
            page.evaluate("location.hash = '#/run/run/play'")
            page.locator(".dial").first.wait_for()
            page.evaluate(WATCH)
            strokes(page, 5, alone=True)
            found = {kind: strokes(page, n, alone=kind == "alone") for kind in ("alone", "together")}
            browser.close()
        server.stop()
    return {"features": features, **{kind: summed(times) for kind, times in found.items()}}


def summed(times: list[float]) -> dict[str, float]:
    return {
        "moves": len(times),
        "median_ms": round(statistics.median(times), 1),
        "p95_ms": round(statistics.quantiles(times, n=20)[-1], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=int, nargs="+", default=[1_024, 65_536])
    parser.add_argument("--strokes", type=int, default=60)
    parser.add_argument("--threads", type=int)
    asked = parser.parse_args()
    if asked.threads:
        torch.set_num_threads(asked.threads)
    chromium = os.environ.get("SPARSIGHT_BROWSER") or shutil.which("chromium") or "chromium"
    for features in asked.features:
        print(json.dumps(measured(features, asked.strokes, chromium)))


if __name__ == "__main__":
    main()
