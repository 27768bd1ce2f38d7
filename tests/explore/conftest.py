"""A served run, and a browser to look at it with."""

from collections.abc import Iterator

import pytest
from browsing import serving, trained
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


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """A page that knows the token; a mistake in the pages' own code fails the test."""
    made = browser.new_page(viewport={"width": 1400, "height": 900})
    made.set_default_timeout(SLOW)
    wrong: list[str] = []
    made.on("pageerror", lambda error: wrong.append(str(error)))
    made.on("console", lambda said: wrong.append(said.text) if "Content Security" in said.text else None)
    made.goto(server.address)
    yield made
    made.close()
    assert wrong == []
