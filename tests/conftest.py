"""What all tests share."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny
import torch
from playwright.sync_api import Browser, sync_playwright

from sparsight.models.host import Host, open_host

# two test processes on two cores: more threads would only wait for each other
torch.set_num_threads(1)
NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium; tests that need it are skipped where there is none."""
    found = os.environ.get("SPARSIGHT_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("there is no Chromium here: install one, or say in SPARSIGHT_BROWSER where it is")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Host:
    """A tiny model that embeds texts."""
    return open_host(str(tiny.bert(tmp_path_factory.mktemp("models") / "bert")))


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Host:
    """A tiny model that predicts the next token."""
    return open_host(str(tiny.llama(tmp_path_factory.mktemp("models") / "llama")))


@pytest.fixture
def net() -> Host:
    """A tiny model that classifies pictures."""
    return open_host(f"{Path(tiny.__file__)}:net")
