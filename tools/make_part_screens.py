"""Make the pictures of texts and of places in pictures for the docs: `python -m tools.make_part_screens TEXTS CELLS`.

Both are runs on shards that `sparsight harvest` stored, of a model of texts and of one of pictures, with their atlases.
"""

import os
import sys
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

from sparsight.core import Atlas
from sparsight.explore.serving import bound
from sparsight.explore.shelf import Shelf
from sparsight.run import Run
from tools.make_screens import SIZE, put


def telling(atlas: Atlas) -> int:
    """The feature with the best label of three words or more, of those that fire at .3 to 2 % of samples."""
    score, rate = np.nan_to_num(np.asarray(atlas["label_score"]), nan=-1), np.asarray(atlas["rate"])
    fits = ((np.asarray(atlas["label_ids"]) >= 0).sum(1) >= 3) & (rate > 0.003) & (rate < 0.02)
    return int(np.where(fits, score, -1).argmax())


def main(texts: Path, cells: Path) -> None:
    """Look at the features of both runs."""
    feature = telling(Run(texts).atlas())
    busiest = int(np.asarray(Run(cells).atlas()["max"]).argmax())
    server = bound(Shelf([texts, cells]))
    server.start()
    with sync_playwright() as playwright:
        path = os.environ.get("SPARSIGHT_BROWSER", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        for name, route, scroll in (
            ("words", f"/run/{texts.name}/features?at={feature}&sort=label_score", 0),
            ("text", f"/run/{texts.name}/feature/{feature}", 40),
            ("heat", f"/run/{cells.name}/feature/{busiest}", 330),
        ):
            tab = browser.new_page(viewport=SIZE, color_scheme="light")
            tab.goto(server.address)
            tab.evaluate("route => { location.hash = route; }", f"#{route}")
            tab.wait_for_timeout(2500)
            tab.mouse.move(700, 500)
            tab.mouse.wheel(0, scroll)
            tab.wait_for_timeout(600)
            put(name, tab.screenshot())
            tab.close()
        browser.close()
    server.stop()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
