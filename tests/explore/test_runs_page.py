"""The page of all runs, in a browser."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browsing import served, serving, visit
from playwright.sync_api import Browser, Page, expect

from sparsight.explore.serving import Server
from sparsight.explore.shelf import Shelf

HOSTILE = "<img src=x onerror=window.hurt=1>"
Opening = Callable[..., Page]


@pytest.fixture(scope="module")
def folder(shelf: Shelf, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("many") / "runs"
    for name in ("first", "second"):
        shutil.copytree(shelf.run(name).path, place / name)
    shutil.copytree(place / "first", place / HOSTILE)
    recipe = json.loads((place / HOSTILE / "recipe.json").read_text())
    (place / HOSTILE / "recipe.json").write_text(json.dumps({**recipe, "name": HOSTILE, "n_latents": 2}))
    shutil.copytree(place / "first", place / "broken")
    (place / "broken" / "summary.json").write_text("{")
    shutil.copytree(place / "first", place / "killed")
    for name in ("summary.json", "model.safetensors", "findings.json"):
        (place / "killed" / name).unlink()
    return place


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with serving(Shelf([folder])) as started:
        yield started


def names(page: Page) -> list[str]:
    return page.locator("table.runs tbody a.name").all_text_contents()


def test_runs_are_sorted_found_and_chosen_by_keyboard(page: Page) -> None:
    expect(page.locator("table.runs tbody tr")).to_have_count(5)
    page.get_by_role("button", name="features").press("Enter")
    expect(page.locator("th[aria-sort='descending']")).to_contain_text("features")
    assert names(page)[-1] == HOSTILE
    page.get_by_role("button", name="features").press("Enter")
    expect(page.locator("th[aria-sort='ascending']")).to_contain_text("features")
    assert names(page)[0] == HOSTILE
    page.get_by_role("searchbox").fill("second")
    expect(page.locator("table.runs tbody tr")).to_have_count(1)
    assert "find=second" in page.url
    page.get_by_role("searchbox").fill("")
    expect(page.locator("table.runs tbody tr")).to_have_count(5)
    compare = page.get_by_role("button", name="Compare", exact=True)
    expect(compare).to_be_disabled()
    page.get_by_label("Choose first to compare").focus()
    page.keyboard.press("Space")
    page.get_by_label("Choose second to compare").focus()
    page.keyboard.press("Space")
    compare.press("Enter")
    expect(page.locator("h1")).to_have_text("Runs side by side")


def test_arrow_keys_go_from_row_to_row(page: Page) -> None:
    visit(page, "/?sort=name&down=0")
    expect(page.locator("th[aria-sort='ascending']")).to_contain_text("run")
    shown = names(page)
    assert shown == [HOSTILE, "first", "killed", "second"]  # one that cannot be opened has no link
    page.locator("a.name").first.focus()
    seen = []
    for key in ("ArrowDown", "ArrowDown", "ArrowUp"):
        page.keyboard.press(key)
        seen.append(page.evaluate("document.activeElement.textContent"))
    assert seen == ["first", "killed", "first"]


def test_every_row_shows_filters_a_curve_and_a_verdict_and_damage_is_said(page: Page) -> None:
    row = page.locator("tr[data-key='first']")
    row.scroll_into_view_if_needed()
    expect(row.locator(".strip canvas")).to_have_count(6)
    expect(row.locator("svg.curve path")).to_have_count(1)
    expect(row.locator(".light").first).to_have_text(re.compile("green|red|amber"))
    expect(page.locator("tr[data-key='broken']")).to_contain_text("summary.json' is damaged")
    expect(page.locator("tr[data-key='killed']")).to_contain_text("nobody has looked")


def test_names_are_text(page: Page) -> None:
    expect(page.get_by_text(HOSTILE).first).to_be_visible()
    assert page.evaluate("window.hurt") is None
    page.locator("a.name", has_text=HOSTILE).click()
    expect(page.locator("h1")).to_contain_text(HOSTILE)
    assert page.evaluate("window.hurt") is None


def test_points_of_the_plot_lead_to_their_runs(page: Page) -> None:
    point = page.locator(".pareto svg a").first
    point.focus()
    expect(page.locator("table.runs tr.on")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#/run/"))


def test_on_a_phone_nothing_is_cut_off(page: Page) -> None:
    page.set_viewport_size({"width": 375, "height": 800})
    expect(page.locator("table.runs tbody tr")).to_have_count(5)
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    box = page.locator("tr[data-key='first'] td[data-title='explained variance']").bounding_box()
    assert box is not None and box["x"] + box["width"] <= 375


def test_where_there_is_no_run_it_says_how_to_make_one(browser: Browser, tmp_path: Path) -> None:
    started = served(Shelf([tmp_path]))
    page = browser.new_page()
    page.goto(started.address)
    expect(page.locator(".command code")).to_have_text(f"sparsight train digits -o {tmp_path}/strokes")
    expect(page.get_by_role("link", name="Train one here")).to_have_attribute("href", "#/new")
    page.close()
    started.stop()
