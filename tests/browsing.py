"""Runs that are served, and what a browser sees of them."""

import base64
import io
import json
import re
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Page

from sparsight.atlas import survey
from sparsight.diagnosis import diagnose
from sparsight.explore.serving import Server, bound
from sparsight.explore.shelf import Shelf
from sparsight.job import Recipe, data_of, train
from sparsight.run import Run


def trained(path: Path, **more: Any) -> Run:
    """A run of digits, with its atlas and its findings."""
    spec = {
        "source": "digits",
        "n_latents": 64,
        "architecture": {"name": "topk", "k": 8},
        "train": {"epochs": 1.0, "hold_out": 0.2, "log_every": 10},
        **more,
    }
    run = train(Recipe.parse(spec), path)
    run.put_atlas(survey(run.sae(), data_of(run)[1], fits=4))
    run.put_findings(diagnose(run))
    return run


def served(shelf: Shelf) -> Server:
    """A server in a thread, once it answers."""
    server = bound(shelf)
    server.start()
    while not server.uvicorn.started:
        time.sleep(0.01)
    return server


@contextmanager
def serving(shelf: Shelf) -> Iterator[Server]:
    """A server in a thread, until it is not needed any more."""
    started = served(shelf)
    yield started
    started.stop()


def visit(page: Page, route: str) -> None:
    """Go to a route such as /run/first/features."""
    page.evaluate("route => { location.hash = route; }", f"#{route}")


def picture(page: Page, selector: str) -> np.ndarray:
    """The pixels of a canvas, [height, width, 4]."""
    uri = page.evaluate("selector => document.querySelector(selector).toDataURL('image/png')", selector)
    with Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))) as image:
        return np.asarray(image.convert("RGBA"))


def held(text: str) -> dict[str, bytes]:
    """The answers that a report holds, by path."""
    found = re.search(r'<script type="application/json" id="frozen">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    packed = json.loads(found[1])["answers"]
    return {path: zlib.decompress(base64.b64decode(content)) for path, content in packed.items()}
