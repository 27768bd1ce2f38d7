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
PARTS = {
    "/run/texts/features?at=3": ".wordgrid .tile dt",
    "/run/texts/features?view=table": ".list td.label:not(:empty)",
    "/run/texts/feature/3": ".passages .text",
    "/run/texts/play": ".around .text",
    "/run/cells/feature/3": ".heats canvas",
}
"""Pages of samples that are parts of something."""
EVERY = [
    *(("page", route, shown) for route, shown in PAGES.items()),
    *(("parts_page", route, shown) for route, shown in PARTS.items()),
]
everywhere = pytest.mark.parametrize(("fixture", "route", "shown"), EVERY)


def opened(request: pytest.FixtureRequest, fixture: str, route: str, shown: str, width: int = 1400) -> Page:
    """The page of a route, once it shows something."""
    page: Page = request.getfixturevalue(fixture)
    page.set_viewport_size({"width": width, "height": 800 if width < 1000 else 900})
    visit(page, route)
    expect(page.locator(f".page :is({shown})").first).to_be_visible()
    return page


@everywhere
def test_axe_finds_nothing_serious_in_light_and_in_dark(
    request: pytest.FixtureRequest, fixture: str, route: str, shown: str
) -> None:
    page = opened(request, fixture, route, shown)
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


@everywhere
def test_at_375_pixels_nothing_sticks_out(request: pytest.FixtureRequest, fixture: str, route: str, shown: str) -> None:
    page = opened(request, fixture, route, shown, width=375)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


@everywhere
def test_the_keyboard_reaches_something_on_every_page_and_shows_where_it_is(
    request: pytest.FixtureRequest, fixture: str, route: str, shown: str
) -> None:
    page = opened(request, fixture, route, shown)
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
