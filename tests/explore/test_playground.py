"""The playground, in a browser."""

import io
import re
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from browsing import picture, served, trained, visit
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, expect

from sparsight.explore.serving import Server
from sparsight.explore.shelf import Shelf

SEVEN = ((0.25, 0.25), (0.75, 0.25), (0.5, 0.85))
DRAWING, OUTPUT, BEFORE = ".surface canvas", ".made > .framed canvas", ".rest canvas"


@pytest.fixture
def played(page: Page) -> Page:
    visit(page, "/run/first/play")
    expect(page.locator(".dial")).to_have_count(8)
    return page


def draw(page: Page) -> None:
    box = page.locator(DRAWING).bounding_box()
    assert box is not None
    first, *more = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in SEVEN]
    page.mouse.move(*first)
    page.mouse.down()
    for place in more:
        page.mouse.move(*place, steps=6)
    page.mouse.up()


def rested(page: Page, selector: str) -> np.ndarray:
    """What a canvas shows once all that was asked for is answered."""
    expect(page.locator(".made")).to_have_attribute("aria-busy", "false")
    return picture(page, selector)


def changes(page: Page, selector: str, before: np.ndarray) -> np.ndarray:
    """What a canvas shows, which is no longer what it showed."""
    for _ in range(200):
        after = rested(page, selector)
        if after.shape != before.shape or (after != before).any():
            return after
        page.wait_for_timeout(25)
    raise AssertionError(f"{selector} stays as it was")


def test_what_is_drawn_is_rebuilt_at_once(played: Page) -> None:
    blank = picture(played, OUTPUT)
    draw(played)
    made = changes(played, OUTPUT, blank)
    drawing = picture(played, DRAWING)
    assert drawing.shape == made.shape == (28, 28, 4)
    assert drawing[7, 14, 0] == 255 and drawing[2, 2, 0] == 0
    alike = np.corrcoef(drawing[..., 0].ravel(), made[..., 0].ravel())[0, 1]
    assert alike > 0.6 > np.corrcoef(drawing[..., 0].ravel(), blank[..., 0].ravel())[0, 1]
    expect(played.locator(".said")).to_contain_text("8 of 64 features fire")
    played.get_by_role("button", name="Undo", exact=True).click()
    changes(played, OUTPUT, made)
    np.testing.assert_array_equal(picture(played, OUTPUT), blank)


def test_a_slider_an_ablation_and_an_insertion_change_the_output(played: Page) -> None:
    draw(played)
    own = rested(played, OUTPUT)
    dial = played.locator(".dial").first
    slider = dial.locator("input")
    slider.fill(slider.get_attribute("max") or "")
    pulled = changes(played, OUTPUT, own)
    expect(dial).to_have_class("dial edited")
    np.testing.assert_array_equal(picture(played, BEFORE), own)
    dial.get_by_role("button", name="ablate").click()
    off = changes(played, OUTPUT, pulled)
    expect(dial.get_by_role("button", name="ablate")).to_have_attribute("aria-pressed", "true")
    listed = {
        int(found) for found in played.locator(".dial").evaluate_all("all => all.map(one => one.dataset.feature)")
    }
    feature = next(n for n in range(64) if n not in listed)
    played.get_by_label("insert feature").fill(str(feature))
    played.get_by_role("button", name="Insert", exact=True).click()
    changes(played, OUTPUT, off)
    expect(played.locator(f".dial[data-feature='{feature}']")).to_have_class("dial edited")
    played.get_by_role("button", name="Undo 2 edits").click()
    expect(played.locator(".dial.edited")).to_have_count(0)
    np.testing.assert_array_equal(changes(played, OUTPUT, off), own)


def test_with_all_features_off_nothing_is_left_of_the_sample(played: Page) -> None:
    outputs = []
    for n in (3, 4):
        played.locator(".examples button").nth(n).click()
        before = rested(played, OUTPUT)
        played.get_by_role("button", name="All off").click()
        outputs.append(changes(played, OUTPUT, before))
        played.get_by_role("button", name="Undo 8 edits").click()
    np.testing.assert_array_equal(*outputs)


def test_a_sample_and_what_is_set_are_in_the_link(played: Page) -> None:
    blank = picture(played, OUTPUT)
    played.locator(".examples button").nth(3).click()
    own = changes(played, OUTPUT, blank)
    played.locator(".dial button").first.click()
    edited = changes(played, OUTPUT, own)
    expect(played).to_have_url(re.compile("edits"))
    drawing = picture(played, DRAWING)
    played.reload()
    expect(played.locator(".dial.edited")).to_have_count(1)
    np.testing.assert_array_equal(picture(played, OUTPUT), edited)
    np.testing.assert_array_equal(picture(played, DRAWING), drawing)


def test_a_sample_is_built_up_step_by_step(played: Page) -> None:
    played.locator(".examples button").nth(3).click()
    strip = played.locator(".stairs li")
    played.locator(".building").scroll_into_view_if_needed()
    expect(strip).to_have_count(9)
    played.get_by_label("step", exact=True).fill("0")
    shown = [picture(played, ".stand canvas")]
    expect(played.locator(".stand p")).to_contain_text("step 0 of 8: no feature")
    played.get_by_role("button", name="Build it up").click()
    expect(played.locator(".stand p")).to_contain_text("step 8 of 8")
    for step in range(1, 9):
        played.get_by_label("step", exact=True).fill(str(step))
        shown.append(picture(played, ".stand canvas"))
    assert all((one != another).any() for one, another in pairwise(shown))
    np.testing.assert_array_equal(shown[-1], picture(played, OUTPUT))


def test_samples_are_generated_and_played_with(played: Page) -> None:
    played.get_by_role("button", name="Generate").click()
    expect(played.locator(".drawn canvas")).to_have_count(12)
    first = picture(played, ".drawn canvas")
    played.get_by_label("class").select_option("1")
    assert (changes(played, ".drawn canvas", first) != first).any()
    shown = picture(played, ".drawn canvas")
    played.get_by_role("button", name="play with sample 1", exact=True).click()
    np.testing.assert_array_equal(picture(played, DRAWING), shown)


def test_another_run_makes_something_else_of_the_same(played: Page) -> None:
    played.locator(".examples button").nth(3).click()
    played.get_by_label("beside it").select_option("second")
    expect(played.locator(".besides .shots li")).to_have_count(8)
    other = picture(played, ".besides canvas")
    assert (other != picture(played, OUTPUT)).any()
    played.evaluate("scrollTo(0, 0)")
    draw(played)
    changes(played, ".besides canvas", other)


def test_the_keyboard_draws(played: Page) -> None:
    played.locator(DRAWING).focus()
    for key in ("ArrowLeft", "Space", "Shift+ArrowRight", "ArrowDown", "Space", "Shift+ArrowDown"):
        played.keyboard.press(key)
    drawing = picture(played, DRAWING)[..., 0]
    assert drawing[13, 13] == drawing[13, 16] == 255 and drawing[20].max() == 0
    played.keyboard.press("Control+z")
    assert picture(played, DRAWING)[..., 0].max() == 0
    played.keyboard.press("Control+Shift+Z")
    np.testing.assert_array_equal(picture(played, DRAWING)[..., 0], drawing)
    played.keyboard.press("Delete")
    assert picture(played, DRAWING)[..., 0].max() == 0


def test_a_picture_of_dark_on_light_becomes_what_samples_are(played: Page) -> None:
    photo = Image.new("RGB", (300, 200), "white")
    ImageDraw.Draw(photo).line([(150, 20), (150, 180)], fill="black", width=20)
    file = io.BytesIO()
    photo.save(file, "PNG")
    blank = picture(played, DRAWING)
    played.get_by_label("open a picture").set_input_files(
        {"name": "one.png", "mimeType": "image/png", "buffer": file.getvalue()}
    )
    taken = changes(played, DRAWING, blank)[..., 0]
    assert taken[14, 14] > 200 and taken[14, 4] == 0
    played.get_by_label("open a picture").set_input_files({"name": "one.png", "mimeType": "image/png", "buffer": b"no"})
    expect(played.get_by_role("alert")).to_contain_text("no picture that the browser can read")


def test_a_row_that_is_pasted_is_taken_or_refused_in_a_sentence(played: Page) -> None:
    played.get_by_text("Paste a row of 784 numbers").click()
    box, take = played.get_by_label("numbers with commas"), played.get_by_role("button", name="Take them")
    for text, said in (("1, 2, 3", "here are 3 numbers, and a sample has 784"), ("1 2 one", "“one” is no number")):
        box.fill(text)
        take.click()
        expect(played.get_by_role("alert")).to_contain_text(said)
    box.fill(" ".join(["0"] * 392 + ["1"] * 392))
    take.click()
    drawing = picture(played, DRAWING)[..., 0]
    assert drawing[:14].max() == 0 and drawing[14:].min() == 255
    expect(played.get_by_role("alert")).to_have_count(0)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A run of a table with names."""
    folder = tmp_path_factory.mktemp("table")
    rows = np.abs(np.random.default_rng(0).normal(size=(400, 6))) @ np.eye(6)
    names = ["length", "width", "height", "weight", "age", "price"]
    np.savetxt(folder / "table.csv", rows, delimiter=",", header=",".join(names), comments="")
    source = {"name": "tables", "path": str(folder / "table.csv")}
    trained(folder / "runs" / "table", source=source, n_latents=8, architecture={"name": "topk", "k": 3})
    server = served(Shelf([folder / "runs"]))
    yield server
    server.stop()


def test_a_table_is_played_with_by_its_columns(table: Server, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.goto(table.address)
    visit(page, "/run/table/play")
    output = page.locator(".made dd.num")
    expect(output).to_have_count(6)
    expect(page.locator(".dial")).to_have_count(3)
    before = output.all_inner_texts()
    page.get_by_label("price", exact=True).fill("1.5")
    expect(page.get_by_label("price, exactly")).to_have_value("1.5")
    expect(output.nth(5)).not_to_have_text(before[5])
    page.get_by_label("price, exactly").fill("0.5")
    expect(page.get_by_label("price", exact=True)).to_have_value("0.5")
    page.close()
