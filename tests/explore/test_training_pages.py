"""The form and the live page in a browser, with a real training behind them."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import picture, served, visit
from playwright.sync_api import Browser, Page, expect

from sparsight.explore.shelf import Shelf
from sparsight.run import Run


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """A page of an explorer that has no run yet."""
    server = served(Shelf([tmp_path]))
    made = browser.new_page(viewport={"width": 1400, "height": 900})
    made.set_default_timeout(30_000)
    wrong: list[str] = []
    made.on("pageerror", lambda error: wrong.append(str(error)))
    made.on("console", lambda said: wrong.append(said.text) if "Content Security" in said.text else None)
    made.goto(server.address)
    visit(made, "/new")
    expect(made.get_by_label("n_latents")).to_have_value("200", timeout=15_000)
    yield made
    made.close()
    server.stop()
    while server.socket.fileno() >= 0:
        time.sleep(0.01)
    assert wrong == []


def wait(until: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not until():
        assert time.monotonic() < end
        time.sleep(0.05)


def serious(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found if one["impact"] in ("serious", "critical")]


def step(page: Page) -> int:
    found = re.search(r"step ([\d,]+) of", page.locator(".progress").inner_text())
    return int(found[1].replace(",", "")) if found else 0


def test_a_training_is_started_watched_stopped_and_resumed(page: Page, tmp_path: Path) -> None:
    page.get_by_label("n_latents").fill("16")
    page.get_by_label("epochs").fill("2000")
    page.get_by_text("optimiser, schedule, logging").click()
    page.get_by_label("log_every").fill("10")
    page.get_by_label("name of the run").fill("mine")
    expect(page.locator(".changes")).to_contain_text("n_latents 16 was 200")
    page.get_by_role("button", name="Start training").click()
    state = page.locator(".training .state")
    expect(state).to_have_text("training", timeout=60_000)
    assert page.url.endswith("#/run/mine/live")
    wait(lambda: step(page) > 20)
    before = picture(page, "canvas.growing")
    expect(page.get_by_role("img", name=re.compile(r"^Loss of each term.*squared_error \d"))).to_be_visible()
    seen = step(page)
    wait(lambda: step(page) > seen + 50)
    wait(lambda: not np.array_equal(picture(page, "canvas.growing"), before))
    assert serious(page) == []

    page.get_by_role("button", name="Stop").click()
    expect(state).to_have_text("interrupted")
    run = Run.open(tmp_path / "mine")
    assert run.summary is None and not run.busy
    stopped = run.checkpointed
    assert stopped is not None and stopped > 70
    page.get_by_role("button", name="Resume").click()
    expect(state).to_have_text("training", timeout=60_000)
    wait(lambda: step(page) > stopped)
    page.get_by_role("button", name="Stop").click()
    expect(state).to_have_text("interrupted")


def test_a_mistake_is_said_beside_the_field_and_nothing_starts(page: Page) -> None:
    start = page.get_by_role("button", name="Start training")
    page.get_by_label("n_latents").fill("0")
    expect(page.locator(".field .sorry:visible")).to_contain_text("greater than or equal to 1")
    expect(start).to_be_disabled()
    page.get_by_label("n_latents").fill("50")
    expect(page.locator(".sorry:visible")).to_have_count(0)
    page.get_by_label("data", exact=True).fill("nowhere.npy")
    expect(page.locator("aside .sorry")).to_contain_text("there is no file or folder 'nowhere.npy'")
    page.get_by_label("data", exact=True).fill("digits")
    page.get_by_label("k", exact=True).fill("99")  # that only the data tell
    expect(start).to_be_enabled()
    start.click()
    expect(page.locator("aside .sorry")).to_contain_text("k is 99", timeout=60_000)


def test_parts_come_and_go_with_their_knobs(page: Page) -> None:
    changes = page.locator(".changes")
    page.get_by_label("architecture").first.select_option("sigmoid_kl")
    expect(page.get_by_label("kl", exact=True)).to_have_value("3")
    expect(changes).to_contain_text("architecture sigmoid_kl was topk")
    page.get_by_role("button", name="Remove the term l1.decoder").click()
    expect(page.get_by_label("weight")).to_have_count(2)
    page.get_by_label("add a part: term").select_option("l2")
    expect(page.get_by_role("heading", name="l2", exact=True)).to_be_visible()
    page.get_by_label("tied").or_(page.get_by_label("target")).first.fill("0.05")
    expect(changes).to_contain_text("architecture sigmoid_kl")
    page.get_by_label("start from").select_option("ufldl")
    expect(changes).to_contain_text("it is the recipe as it ships")
    assert page.url.endswith("recipe=ufldl")
    assert serious(page) == []
