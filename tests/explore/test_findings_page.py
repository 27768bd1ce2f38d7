"""Findings and evidence of a run, in a browser."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browsing import serving, visit
from playwright.sync_api import Page, expect

from sparsight.core import Claim, Evidence, Finding, Number
from sparsight.explore.serving import Server
from sparsight.explore.shelf import Shelf
from sparsight.run import Run

HOSTILE = "<img src=x onerror=window.hurt=1>"


@pytest.fixture(scope="module")
def folder(shelf: Shelf, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("judged") / "runs"
    for name in ("judged", "unjudged"):
        shutil.copytree(shelf.run("first").path, place / name)
    (place / "unjudged" / "findings.json").unlink()
    run = Run.open(place / "judged")
    number = Number(name=HOSTILE, value=0.4, limit=0.1, null=0.0, about="n / N")
    run.put_findings(
        [
            Finding(
                rule="dead",
                id="D10",
                severity="red",
                said=HOSTILE,
                numbers=(number,),
                cause="a bad start",
                fix="a good one",
                changes=("train.lr=0.001",),
                features=(7, 3),
            ),
            Finding(rule="small-batch", id="D13", severity="amber", said="few samples", cause="", fix=""),
        ]
    )
    summary = run.summary
    assert summary is not None
    claim = Claim(
        name="stability", said=HOSTILE, value=0.7, low=0.6, high=0.8, null=0.3, holds=True, numbers={"nulls": {}}
    )
    columns = {"stability": np.linspace(0, 1, 64), "nearest_null": np.zeros(64), "real": np.isin(np.arange(64), (5, 9))}
    run.put_evidence(Evidence(claims=(claim,), columns=columns, rests_on={"weights": summary["weights"]}))
    return place


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with serving(Shelf([folder])) as started:
        yield started


def test_a_finding_shows_its_numbers_its_features_beside_noise_and_its_fix(page: Page) -> None:
    visit(page, "/run/judged/findings")
    expect(page.locator("ol.findings > li")).to_have_count(2)
    first, second = page.locator("ol.findings > li").all()
    expect(first.locator(".light")).to_have_text("red")
    expect(first.locator(".said")).to_contain_text(HOSTILE)
    expect(first.locator("svg.gauge")).to_have_attribute("aria-label", "here 0.400, limit 0.100, null 0")
    expect(first.locator("tbody")).to_contain_text("n / N")
    assert first.locator("a.tile").all_text_contents()[:2] == ["7", "3"]
    expect(first.locator("h4")).to_have_text(["encoder", "decoder", "null: white noise"])
    expect(first.locator("dd code").first).to_have_text("train.lr=0.001")
    expect(second.locator("figcaption")).to_contain_text("Share of the gradient")
    assert page.evaluate("window.hurt") is None


def test_the_mended_recipe_can_be_trained(page: Page) -> None:
    visit(page, "/run/judged/findings")
    expect(page.locator(".mend code")).to_have_text("train.lr=0.001")
    page.route("**/api/run/judged/mend", lambda route: route.fulfill(json={"run": "unjudged"}))
    page.get_by_role("button", name="Train the mended recipe").click()
    page.wait_for_url("**/#/run/unjudged/live")


def test_where_nobody_has_looked_one_can(page: Page, folder: Path) -> None:
    visit(page, "/run/unjudged/findings")
    expect(page.get_by_text("Nobody has looked")).to_be_visible()
    expect(page.locator(".command code").first).to_have_text(f"sparsight diagnose {folder / 'unjudged'}")
    expect(page.locator(".command code").last).to_have_text(f"sparsight verify {folder / 'unjudged'}")
    page.get_by_role("button", name="Look now").click()
    expect(page.get_by_role("button", name="Look again")).to_be_visible()
    found = Run.open(folder / "unjudged").findings()
    expect(page.locator("ol.findings > li")).to_have_count(len(found))


def test_real_features_come_first_in_green_and_arrow_keys_go_through_them(page: Page) -> None:
    visit(page, "/run/judged/findings")
    expect(page.locator("table.claims tbody tr")).to_have_count(1)
    expect(page.get_by_text("2 of 64")).to_be_visible()
    links = page.locator(".reality a")
    expect(links).to_have_count(64)
    assert "real" in (links.nth(0).get_attribute("aria-label") or "")
    colours = [links.nth(n).evaluate("link => link.style.borderColor") for n in (0, 1, 2)]
    assert colours[0] == colours[1] == "rgb(26, 179, 64)" != colours[2]
    links.nth(0).focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#/run/judged/feature/5"
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Feature 5")


def test_the_picture_of_real_features_is_saved(page: Page) -> None:
    visit(page, "/run/judged/findings")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save real-features as PNG").click()
    assert saved.value.suggested_filename == "real-features.png"
    assert Path(saved.value.path()).stat().st_size > 1000
