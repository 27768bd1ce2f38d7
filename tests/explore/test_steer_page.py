"""The page for steering, and what features do in the model, as a browser shows them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from behind import behind
from browsing import held, serving, visit
from playwright.sync_api import Browser, Page, expect

from sparsight import report
from sparsight.effects import Raised, keep, measure_effects
from sparsight.explore.serving import Server
from sparsight.explore.shelf import Shelf
from sparsight.job import data_of
from sparsight.run import Run
from sparsight.views import figures

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("steered")
    for kind in ("llama", "bert"):
        run = behind(folder, kind)
        record, raised = measure_effects(run, tokens=40, beside=4)
        if raised is not None:
            raised = Raised(raised.tokens, raised.values, [HOSTILE, *list(raised.texts)[1:]])
        keep(run, record, raised)
    return folder


@pytest.fixture(scope="module")
def steered_server(place: Path) -> Iterator[Server]:
    with serving(Shelf([place])) as started:
        yield started


@pytest.fixture
def seen(browser: Browser, steered_server: Server) -> Iterator[Page]:
    made = browser.new_page(viewport={"width": 1400, "height": 900})
    made.set_default_timeout(20_000)
    wrong: list[str] = []
    made.on("pageerror", lambda error: wrong.append(str(error)))
    made.goto(steered_server.address)
    yield made
    made.close()
    assert wrong == []


def test_a_slider_changes_what_the_model_writes(seen: Page) -> None:
    visit(seen, "/run/llama/steer?features=3:by:0")
    expect(seen.locator(".next tbody tr").first).to_be_visible()
    assert "KL(as it is ‖ steered) = 0 nats" in seen.locator(".page").inner_text()
    seen.get_by_label("the number, feature 3").fill("25")
    expect(seen.get_by_text("= 0 nats")).to_have_count(0)
    expect(seen.get_by_role("heading", name="How it goes on")).to_be_visible()
    assert "features=3%3Aby%3A25" in seen.url
    seen.get_by_role("button", name="Another feature").click()
    expect(seen.locator(".edits li")).to_have_count(2)


def test_an_encoder_shows_how_far_its_embedding_turned(seen: Page) -> None:
    visit(seen, "/run/bert/steer?features=2:by:20&text=light%20upon%20water")
    expect(seen.locator("b.big")).to_be_visible()
    assert float(seen.locator("b.big").inner_text()) < 1
    assert seen.locator(".words span").count() == 5


def test_a_text_that_cannot_be_read_is_one_sentence_and_hostile_text_is_text(seen: Page) -> None:
    visit(seen, "/run/llama/steer")
    expect(seen.locator(".next tbody tr").first).to_be_visible()
    seen.get_by_label("what the model reads").fill(" ")
    expect(seen.get_by_role("alert")).to_contain_text("write some text")
    seen.get_by_label("what the model reads").fill(HOSTILE)
    expect(seen.get_by_role("alert")).to_have_count(0)
    expect(seen.locator(".words").or_(seen.locator(".said .given").first).first).to_be_visible()
    assert seen.locator(".page img").count() == 0


def test_a_feature_shows_the_tokens_that_it_raises_and_leads_to_steering(seen: Page) -> None:
    visit(seen, "/run/llama/feature/3")
    expect(seen.locator(".tokens dt")).to_have_count(8)
    assert seen.locator(".page img[src='x']").count() == 0
    seen.get_by_role("link", name="steer the model with it").first.click()
    expect(seen.get_by_role("heading", name="Steer")).to_be_visible()


def test_the_overview_shows_the_model_beside_its_floors(seen: Page) -> None:
    visit(seen, "/run/llama")
    expect(seen.locator(".effects table")).to_have_count(2)
    assert "zeros (null)" in seen.locator(".effects").inner_text()
    assert "loss recovered in the model" in seen.locator(".tiles").inner_text()
    visit(seen, "/run/bert")
    expect(seen.locator(".tiles")).to_contain_text("embedding's cosine after splicing")


def test_the_report_has_the_same(place: Path, tmp_path: Path, browser: Browser) -> None:
    run = Run.open(place / "llama")
    measured, atlas = data_of(run)[1], run.atlas()
    text = report.html(run, atlas, measured, figures.every(run, atlas, measured))
    assert b'"effects":{' in held(text)["run/llama/about"]
    (tmp_path / "report.html").write_text(text, encoding="utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    expect(page.locator(".effects table")).to_have_count(2)
    page.evaluate("location.hash = '#/run/llama/feature/3'")
    expect(page.locator(".tokens dt")).to_have_count(8)
    assert page.get_by_role("link", name="steer the model with it").count() == 0
    page.close()


@pytest.mark.parametrize("route", ["/run/llama/steer?features=3:by:5,4:to:0", "/run/bert/steer?features=3:by:5"])
def test_axe_finds_nothing_serious_and_nothing_sticks_out(seen: Page, route: str) -> None:
    visit(seen, route)
    expect(seen.locator(".page .words").first).to_be_visible()
    for scheme in ("light", "dark"):
        seen.emulate_media(color_scheme=scheme)
        seen.wait_for_timeout(150)
        violations = Axe().run(seen).response["violations"]
        serious = [one for one in violations if one["impact"] in ("serious", "critical")]
        assert [(one["id"], node["html"][:120]) for one in serious for node in one["nodes"]] == []
    seen.set_viewport_size({"width": 375, "height": 800})
    assert seen.evaluate("document.documentElement.scrollWidth") <= 375
