"""A served run, and a browser to look at it with."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from browsing import serving, trained
from parts import Cells, Texts, write_cells, write_texts
from playwright.sync_api import Browser, Page

from sparsight.explore.serving import Server
from sparsight.explore.shelf import Shelf

SLOW = 15_000
"""ms that a page is waited for on a busy machine."""


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """Two runs."""
    folder = tmp_path_factory.mktemp("explored") / "runs"
    trained(folder / "first")
    trained(folder / "second", seed=1)
    return Shelf([folder])


@pytest.fixture(scope="session")
def server(shelf: Shelf) -> Iterator[Server]:
    with serving(shelf) as started:
        yield started


@pytest.fixture(scope="session")
def parts_shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """A run of tokens of texts, and one of cells of pictures."""
    folder = tmp_path_factory.mktemp("parts")
    train = {"epochs": 10.0, "batch_size": 64, "hold_out": 0.3, "log_every": 50}
    for name, rows, n in (
        ("texts", write_texts(folder / "texts", Texts(80)), 24),
        ("cells", write_cells(folder / "cells", Cells()), 8),
    ):
        source = {"name": "shards", "path": str(rows)}
        architecture = {"name": "topk", "k": 2}
        trained(folder / "runs" / name, source=source, n_latents=n, architecture=architecture, train=train)
    return Shelf([folder / "runs"])


@pytest.fixture(scope="session")
def parts_server(parts_shelf: Shelf) -> Iterator[Server]:
    with serving(parts_shelf) as started:
        yield started


@pytest.fixture
def parts_page(browser: Browser, parts_server: Server) -> Iterator[Page]:
    """As `page`, of samples that are parts of something."""
    with looking(browser, parts_server) as made:
        yield made


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """A page that knows the token; a mistake in the pages' own code fails the test."""
    with looking(browser, server) as made:
        yield made


@contextmanager
def looking(browser: Browser, server: Server) -> Iterator[Page]:
    made = browser.new_page(viewport={"width": 1400, "height": 900})
    made.set_default_timeout(SLOW)
    wrong: list[str] = []
    made.on("pageerror", lambda error: wrong.append(str(error)))
    made.on("console", lambda said: wrong.append(said.text) if "Content Security" in said.text else None)
    made.goto(server.address)
    yield made
    made.close()
    assert wrong == []
