"""Texts and pictures around samples, in a browser."""

import re

import numpy as np
import pytest
from browsing import picture, visit
from parts import HOSTILE
from playwright.sync_api import Page, expect

from sparsight.explore.shelf import Shelf
from sparsight.views import words


@pytest.fixture
def best(parts_shelf: Shelf) -> int:
    """The feature of texts that fires most."""
    return int(np.argmax(parts_shelf.opened("texts").atlas["rate"]))


def test_examples_are_tokens_in_context_and_the_sample_is_marked(
    parts_page: Page, parts_shelf: Shelf, best: int
) -> None:
    visit(parts_page, f"/run/texts/feature/{best}")
    text = parts_page.locator(".passages .text").first
    expect(text).to_be_visible()
    one = parts_shelf.opened("texts")
    sample = int(one.atlas["top_ids"][best][0])
    context = one.source.context(sample, 16)
    assert context is not None and context.tokens is not None
    expect(text.locator(".token")).to_have_count(len(context.tokens))
    here = text.locator(".token.here")
    expect(here).to_have_count(1)
    assert here.evaluate("node => [...node.parentNode.children].indexOf(node)") == context.here
    assert "color" in here.evaluate("node => node.style.backgroundColor")
    expect(parts_page.get_by_text(context.origin, exact=True).first).to_be_visible()


def test_the_largest_code_has_the_strongest_colour(parts_page: Page, parts_shelf: Shelf, best: int) -> None:
    visit(parts_page, f"/run/texts/feature/{best}")
    text = parts_page.locator(".passages .text").first
    expect(text).to_be_visible()
    colours = text.locator(".token").evaluate_all("all => all.map(one => one.style.backgroundColor)")
    shares = [float(found[1]) if (found := re.search(r"(\d+)%", colour)) else 0.0 for colour in colours]
    one = parts_shelf.opened("texts")
    sample = int(one.atlas["top_ids"][best][0])
    context = one.source.context(sample, 16)
    assert context is not None
    assert shares[context.here] == 100
    assert 0 in shares


def test_arrow_keys_go_from_token_to_token_and_not_to_the_next_feature(parts_page: Page, best: int) -> None:
    visit(parts_page, f"/run/texts/feature/{best}")
    text = parts_page.locator(".passages .text").first
    text.focus()
    parts_page.keyboard.press("ArrowRight")
    expect(parts_page.locator("#tip")).to_contain_text(re.compile("“.*”: "))
    first = text.locator(".token.at").evaluate("node => [...node.parentNode.children].indexOf(node)")
    parts_page.keyboard.press("ArrowRight" if first == 0 else "ArrowLeft")
    other = text.locator(".token.at").evaluate("node => [...node.parentNode.children].indexOf(node)")
    assert abs(other - first) == 1
    expect(parts_page.locator("h1")).to_have_text(f"Feature {best}")
    parts_page.keyboard.press("Escape")
    expect(parts_page.locator("#tip")).to_be_hidden()


def test_hostile_tokens_are_text(parts_page: Page, parts_shelf: Shelf) -> None:
    atlas = parts_shelf.opened("texts").atlas
    said = words.told(atlas, range(24))
    wicked = [
        n for n, one in enumerate(said) if any(HOSTILE.startswith(word.rstrip("…")) for word, _ in one["words"][:1])
    ]
    assert wicked
    parts_page.on("dialog", lambda dialog: pytest.fail("a dialog"))
    visit(parts_page, f"/run/texts/feature/{wicked[0]}")
    expect(parts_page.locator(".passages .here").first).to_have_text(HOSTILE)
    visit(parts_page, f"/run/texts/features?at={wicked[0]}")
    expect(parts_page.locator(".wordgrid .tile[aria-selected=true] dt").first).to_have_text(HOSTILE)
    assert parts_page.locator("img[src=x]").count() == 0


def test_a_tile_of_a_feature_of_texts_is_its_words(parts_page: Page, parts_shelf: Shelf, best: int) -> None:
    visit(parts_page, f"/run/texts/features?at={best}")
    tile = parts_page.locator(".wordgrid .tile[aria-selected=true]")
    said = words.told(parts_shelf.opened("texts").atlas, [best])[0]
    expect(tile.locator(".top b")).to_have_text(", ".join(said["label"]))
    expect(tile.locator("dt")).to_have_text([word for word, _ in said["words"][:4]])
    expect(parts_page.locator(".peek .words li")).to_have_text(said["label"])
    expect(parts_page.locator(".peek .passages .text")).to_have_count(4)


def test_the_grid_of_words_is_walked_and_sorted_by_the_labels_score(parts_page: Page, parts_shelf: Shelf) -> None:
    score = np.asarray(parts_shelf.opened("texts").atlas["label_score"])
    visit(parts_page, "/run/texts/features")
    expect(parts_page.locator(".wordgrid .tile").first).to_be_visible()
    parts_page.locator(".wordgrid").focus()
    parts_page.keyboard.press("Home")
    expect(parts_page.locator(".peek h2")).to_have_text(f"Feature {int(np.nanargmax(score))}")
    parts_page.keyboard.press("ArrowRight")
    parts_page.keyboard.press("Enter")
    order = np.argsort(-np.nan_to_num(score, nan=-9), kind="stable")
    expect(parts_page.locator("h1")).to_have_text(f"Feature {order[1]}")
    visit(parts_page, "/run/texts/features?view=words")
    parts_page.get_by_label("where").fill("label_score > .5")
    expect(parts_page.locator(".count")).to_have_text(f"{(score > 0.5).sum()} of 24")


def test_the_table_has_labels(parts_page: Page, parts_shelf: Shelf) -> None:
    visit(parts_page, "/run/texts/features?view=table&sort=feature&up=1")
    lines = words.lines(parts_shelf.opened("texts").atlas)
    assert lines is not None
    expect(parts_page.locator(".list td.label").first).to_have_text(lines[0])


def test_pictures_have_a_heat_map_that_can_be_taken_off(parts_page: Page) -> None:
    visit(parts_page, "/run/cells/feature/3")
    first = ".heats canvas.cells"
    expect(parts_page.locator(first).first).to_have_attribute("width", "240")
    heated = picture(parts_page, first)[..., :3].astype(int)
    parts_page.get_by_text("lay the codes over them").click()
    parts_page.wait_for_timeout(300)
    bare = picture(parts_page, first)[..., :3].astype(int)
    colours = {tuple(colour) for colour in bare.reshape(-1, 3)}
    assert {(40, 90, 60), (220, 40, 30)} <= colours
    assert np.abs(heated - bare).mean() > 5
    parts_page.locator(first).first.focus()
    parts_page.keyboard.press("ArrowRight")
    parts_page.keyboard.press("ArrowDown")
    expect(parts_page.locator("#tip")).to_contain_text(re.compile(r"row \d, column \d: "))


def test_in_the_playground_a_sample_has_its_context_and_leads_to_its_neighbours(
    parts_page: Page, parts_shelf: Shelf
) -> None:
    visit(parts_page, "/run/texts/play?sample=20")
    context = parts_shelf.opened("texts").source.context(20, 24)
    assert context is not None
    around = parts_page.locator(".around .text")
    expect(around.locator(".token")).to_have_count(len(context.ids))
    to = context.here + 1 if context.here + 1 < len(context.ids) else context.here - 1
    around.locator(".token").nth(to).click()
    expect(parts_page.get_by_label("sample", exact=True)).to_have_value(str(context.ids[to]))
    expect(around.locator(".token.here")).to_have_count(1)
    labels = words.lines(parts_shelf.opened("texts").atlas)
    assert labels is not None
    expect(parts_page.locator(".dial .heavy").first).to_have_text(
        re.compile("|".join(re.escape(line) for line in [*filter(None, labels), "no label"]))
    )
