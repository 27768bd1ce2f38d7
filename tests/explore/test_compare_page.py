"""Runs side by side, in a browser."""

import re

import numpy as np
from browsing import visit
from playwright.sync_api import Page, expect

from sparsight.explore.shelf import Shelf
from sparsight.views.comparing import matched


def test_features_stand_beside_their_partners_the_nearest_first(page: Page, shelf: Shelf) -> None:
    found = matched(shelf.opened("first").sae, shelf.opened("second").sae)
    visit(page, "/compare?runs=first,second")
    expect(page.locator(".pairs > li")).to_have_count(60)
    nearest = int(np.nanargmax(found.cosine))
    tiles = page.locator(".pairs > li").first.locator("a.tile")
    expect(tiles.nth(0)).to_have_attribute("aria-label", f"feature {nearest} of first")
    expect(tiles.nth(1)).to_have_attribute("aria-label", f"feature {found.partner[nearest]} of second")
    expect(page.locator(".pairs > li").first).to_contain_text(f"{found.cosine[nearest]:.2f}")
    assert page.evaluate("document.querySelector('.pairs canvas').width") == 28
    assert page.locator(".pairs > li").first.locator("th").all_text_contents()[:2] == ["rate", "mean firing"]


def test_pages_are_turned_and_remembered_and_sorted_from_either_end(page: Page, shelf: Shelf) -> None:
    found = matched(shelf.opened("first").sae, shelf.opened("second").sae)
    visit(page, "/compare?runs=first,second")
    page.get_by_role("button", name="on", exact=True).click()
    expect(page.locator(".pairs > li")).to_have_count(4)
    expect(page.get_by_text("61 to 64 of 64")).to_be_visible()
    assert "from=60" in page.url
    page.get_by_label("sorted").select_option("farthest first")
    expect(page.locator(".pairs > li")).to_have_count(60)
    expect(page.locator(".pairs a.tile").first).to_have_attribute(
        "aria-label", f"feature {np.argmin(found.cosine)} of first"
    )
    page.locator(".measures summary").click()
    page.get_by_label("max", exact=True).check()
    expect(page.locator(".pairs > li").first.locator("th", has_text=re.compile("^max$"))).to_have_count(1)
    assert "max" in page.url


def test_arrow_keys_go_from_pair_to_pair(page: Page) -> None:
    visit(page, "/compare?runs=first,second&sort=id&down=0")
    expect(page.locator(".pairs > li")).to_have_count(60)
    expect(page.locator(".pairs a.tile").first).to_have_attribute("aria-label", "feature 0 of first")
    page.locator(".pairs a.tile").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "feature 1 of first"


def test_figures_stand_side_by_side_and_are_measured_on_the_same_samples(page: Page) -> None:
    visit(page, "/compare?runs=first,second")
    table = page.get_by_role("region", name="figures side by side")
    expect(table.locator("th[scope='row']").first).to_have_text("explained variance")
    expect(table.locator("tr", has_text="explained variance").locator(".better")).to_have_count(1)
    page.get_by_role("button", name="Measure them").click()
    measured = page.get_by_role("region", name="measured on the same samples")
    expect(measured.locator("tbody tr").first.locator("th")).to_have_text("first", timeout=60_000)
    expect(measured).to_contain_text("random (null)")


def test_runs_are_added_put_first_and_left_out(page: Page) -> None:
    visit(page, "/compare?runs=first")
    expect(page.get_by_text("Choose two or more")).to_be_visible()
    page.get_by_label("add").select_option("second")
    expect(page.locator(".pairs > li")).to_have_count(60)
    page.get_by_label("Put second first").click()
    expect(page.locator(".chosenruns li").first).to_contain_text("second")
    page.get_by_label("Leave first out").click()
    expect(page.locator(".chosenruns li")).to_have_count(1)
    visit(page, "/compare?runs=first,nobody")
    expect(page.get_by_role("alert")).to_contain_text("nobody")
