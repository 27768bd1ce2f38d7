"""The page of all features, and that of one, in a browser."""

import numpy as np
from browsing import picture, visit
from playwright.sync_api import Page, expect

from sparsight.explore.shelf import Shelf


def test_the_grid_shows_filters_and_arrow_keys_choose_them(page: Page) -> None:
    visit(page, "/run/first/features")
    expect(page.locator(".count")).to_have_text("64 features")
    page.wait_for_function("document.querySelector('.grid canvas').width > 300")
    page.locator(".grid canvas").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".peek h2")).to_contain_text("Feature")
    page.wait_for_function("document.querySelector('.peek canvas').width === 28")
    assert picture(page, ".grid canvas")[..., :3].std() > 5
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("Feature")


def test_an_expression_chooses_features_as_numpy_does(page: Page, shelf: Shelf) -> None:
    atlas = shelf.opened("first").atlas
    rate, moran = np.asarray(atlas["rate"]), np.asarray(atlas["decoder.moran"])
    for text, chosen in (
        ("rate < .1 and moran > .5", (rate < 0.1) & (moran > 0.5)),
        ("not (rate < .1) or decoder.moran * 2 <= 1", ~(rate < 0.1) | (moran * 2 <= 1)),
        ("feature >= 10 and feature < 2 * (5 + 3)", (np.arange(64) >= 10) & (np.arange(64) < 16)),
    ):
        visit(page, "/run/first/features?at=0")
        page.get_by_label("where").fill(text)
        expect(page.locator(".count")).to_have_text(f"{chosen.sum()} of 64" if chosen.sum() < 64 else "64 features")


def test_a_mistake_in_an_expression_is_one_sentence(page: Page) -> None:
    visit(page, "/run/first/features")
    for text, said in (
        ("rate <", "missing before its end"),
        ("morn > 1", "no measure “morn”"),
        ("rate < 1 )", "“and” or “or” is missing before “)”"),
        ("alert(1)", "no measure “alert”"),
        ("rate; 1", "is not understood"),
        ("(" * 200 + "1 < 2", "too many brackets"),
    ):
        page.get_by_label("where").fill(text)
        expect(page.locator(".wrong")).to_contain_text(said)


def test_features_are_sorted_as_numpy_sorts_them(page: Page, shelf: Shelf) -> None:
    rate = np.asarray(shelf.opened("first").atlas["rate"])
    visit(page, "/run/first/features?view=table&sort=rate")
    first = page.locator(".list tbody a")
    expect(first.first).to_have_text(str(np.lexsort((np.arange(64), -rate))[0]))
    page.get_by_label("turn the order round").click()
    expect(first.first).to_have_text(str(np.lexsort((np.arange(64), rate))[0]))


def test_the_map_shows_features_and_is_linked_with_them(page: Page) -> None:
    visit(page, "/run/first/features?view=map")
    expect(page.locator(".count")).to_have_text("64 features")
    page.locator(".map").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".peek h2")).to_contain_text("Feature")


def test_a_note_is_kept_and_shown_as_text(page: Page, shelf: Shelf) -> None:
    hostile = "<img src=x onerror=alert(1)> & </script>"
    visit(page, "/run/first/feature/5")
    page.get_by_label("what you think of this feature").fill(hostile)
    expect(page.get_by_text("kept in the run's folder")).to_be_visible()
    assert shelf.run("first").notes() == {5: hostile}
    page.reload()
    expect(page.get_by_label("what you think of this feature")).to_have_value(hostile)


def test_one_feature_has_its_parts(page: Page) -> None:
    visit(page, "/run/first/feature/3")
    for part in ("Filter and decoder row", "Codes", "Mean code in each class", "Samples that show it", "Neighbours"):
        expect(page.get_by_role("heading", name=part, exact=True)).to_be_visible()
    page.get_by_text("lay the filter over them").click()
    page.keyboard.press("ArrowRight")
