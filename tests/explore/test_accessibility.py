"""Every page for those who do not see, do not use a mouse, or look at a small screen."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import visit
from playwright.sync_api import Page, expect

PAGES = {
    "/": "h1",
    "/new": "form, h1",
    "/compare?runs=first,second": "h1",
    "/run/first": ".tiles",
    "/run/first/features": ".count:not(:empty)",
    "/run/first/features?view=map": ".map",
    "/run/first/features?view=table": ".list tbody a",
    "/run/first/features?at=3&of=both&colours=diverging": ".peek table",
    "/run/first/feature/3": ".chips canvas",
    "/run/first/live": "h1",
    "/run/first/play": "canvas",
    "/run/first/findings": "h1, h2",
}


@pytest.mark.parametrize("route", PAGES)
def test_axe_finds_nothing_serious_in_light_and_in_dark(page: Page, route: str) -> None:
    visit(page, route)
    expect(page.locator(f".page :is({PAGES[route]})").first).to_be_visible()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_timeout(150)
        found = Axe().run(page).response["violations"]
        bad = [
            f"{one['id']}: {node['html'][:120]} {node['failureSummary'][:160]}"
            for one in found
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]
        assert bad == []


@pytest.mark.parametrize("route", PAGES)
def test_at_375_pixels_nothing_sticks_out(page: Page, route: str) -> None:
    page.set_viewport_size({"width": 375, "height": 800})
    visit(page, route)
    expect(page.locator(f".page :is({PAGES[route]})").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


@pytest.mark.parametrize("route", PAGES)
def test_the_keyboard_reaches_something_on_every_page_and_shows_where_it_is(page: Page, route: str) -> None:
    visit(page, route)
    expect(page.locator(f".page :is({PAGES[route]})").first).to_be_visible()
    page.locator("#theme").focus()
    page.keyboard.press("Tab")
    inside, outline = page.evaluate(
        """() => {
            const at = document.activeElement;
            return [document.getElementById("page").contains(at), getComputedStyle(at).outlineStyle];
        }"""
    )
    assert inside
    assert outline != "none"
