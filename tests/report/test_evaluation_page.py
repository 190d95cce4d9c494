"""The page of an evaluation in a real browser: by mouse, by keyboard, on paper, in a narrow window."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page

from bundle.report.evaluation.page import write_report
from tests.report.browser import needs_chromium, opened, started
from tests.report.made_evaluation import MEASURES, add_made_ceiling, write_made_evaluation

pytestmark = needs_chromium
PAIRS = 8  # of which the gallery shows 12 cases at first, 16 in all
RESULTS = "epoch,loss_G,val_SSIM\n1,3.0,0.4\n2,2.0,0.5\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_made_evaluation(tmp_path_factory.mktemp("made"), pairs=PAIRS)
    add_made_ceiling(folder)  # makes the widest tables
    (folder / "results.csv").write_text(RESULTS)
    write_report(folder, results=folder / "results.csv")
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, folder: Path) -> Iterator[Page]:
    with opened(browser, folder / "report.html") as page:
        yield page


def shown_scores(page: Page, title: str) -> list[float | None]:
    """Read the cards' value of a measure, in their order; None where the card has none."""
    found = []
    for card in page.locator(".case").all():
        entries = card.locator("dl.scores div", has=page.locator("dt", has_text=title)).all()
        found.append(float(entries[0].locator("dd").inner_text().lstrip("▾ ")) if entries else None)
    return found


def at(slider: Locator) -> str:
    return slider.evaluate("each => getComputedStyle(each).getPropertyValue('--at')")


def test_every_section_is_there_and_holds_something(page: Page) -> None:
    titles = page.locator("nav a").all_inner_texts()
    assert titles == [
        *("Result", "All measures", "All cases together", "Shape against sharpness", "Training", "Cases"),
        "Protocol",
    ]
    for link in page.locator("nav a").all():
        section = page.locator(str(link.get_attribute("href")))
        assert section.is_visible()
    assert page.locator("#measures .plot svg").count() == len(MEASURES)
    assert page.locator("#training .plot svg").count() == 2
    assert page.locator("#trade-off .plot svg").count() == 2
    assert "both views <b>prepared</b> alike" in page.locator("#protocol").inner_text()
    assert page.locator("#protocol b").count() == 0


def test_the_slider_moves_by_keyboard_and_by_mouse(page: Page) -> None:
    slider = page.locator(".compare").first
    handle = slider.locator("input")
    assert at(slider) == "50%"
    handle.focus()
    page.keyboard.press("ArrowRight")
    assert at(slider) == "52%"
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    assert at(slider) == "46%"
    assert page.locator(".compare").nth(1).evaluate("e => getComputedStyle(e).getPropertyValue('--at')") == "50%"
    handle.scroll_into_view_if_needed()
    box = handle.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 20, steps=4)
    page.mouse.up()
    assert at(slider) == "80%"
    # What lies left of the handle is the real view, right of it the synthetic one.
    assert slider.locator(".over").evaluate("e => getComputedStyle(e).clipPath") == "inset(0px 0px 0px 80%)"
    assert slider.locator(".over img").get_attribute("alt") == "synthetic MLO"


@pytest.mark.parametrize(("measure", "rising"), [("in_breast_ssim", True), ("shape_error", False)])
def test_the_worst_come_first_whichever_way_is_better(page: Page, measure: str, rising: bool) -> None:
    orders = {}
    for order in ("worst", "best"):
        page.locator("#sort").select_option(measure)
        page.locator("#order").select_option(order)
        assert page.locator(".case").count() == 12
        page.locator("#more").click()
        orders[order] = shown_scores(page, MEASURES[measure]["title"])
    assert len(set(orders["worst"])) > 1
    assert len(orders["worst"]) == 2 * PAIRS
    assert orders["worst"] == sorted(orders["worst"], reverse=not rising)
    assert orders["best"] == sorted(orders["worst"], reverse=rising)


def test_cases_without_the_score_come_last(page: Page) -> None:
    page.locator("#sort").select_option("lesion_error_mm")
    page.locator("#more").click()
    scores = shown_scores(page, MEASURES["lesion_error_mm"]["title"])
    assert len(scores) == 2 * PAIRS
    assert None not in scores[:PAIRS]
    assert scores[PAIRS:] == [None] * PAIRS
    page.locator("#order").select_option("best")
    assert None not in shown_scores(page, MEASURES["lesion_error_mm"]["title"])[:PAIRS]


def test_it_is_used_by_keyboard_alone(page: Page) -> None:
    first = page.locator(".case h3").first.inner_text()
    page.keyboard.press("w")
    assert "worst first" in page.locator("#shown").inner_text()
    assert page.locator(".case h3").first.inner_text() != first
    page.locator("#sort").focus()
    page.keyboard.press("ArrowDown")
    assert page.locator("#sort").input_value() == list(MEASURES)[1]
    assert MEASURES[list(MEASURES)[1]]["title"] in page.locator("#shown").inner_text()
    page.locator("#controls button").focus()
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement === document.querySelectorAll('.case')[0]")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement === document.querySelectorAll('.case')[1]")
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement === document.querySelectorAll('.case')[0]")
    page.keyboard.press("Tab")
    focused = page.locator(":focus")
    assert focused.get_attribute("type") == "range"
    frame = page.locator(".frame:has(input:focus-visible)")
    assert frame.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"


def test_outlines_arcs_and_lines_go_on_and_off(page: Page) -> None:
    def shown() -> list[str]:
        marks = ("lesion", "nipple", "arc", "depth")
        display = "each => getComputedStyle(each).display"
        return [name for name in marks if page.locator(f".frame .{name}").first.evaluate(display) != "none"]

    assert shown() == ["lesion", "nipple", "arc"]
    page.keyboard.press("o")
    assert shown() == ["nipple", "arc"]
    page.keyboard.press("a")
    assert shown() == ["nipple", "depth"]
    page.locator("#distance").select_option("none")
    page.locator("#lesions").check()
    assert shown() == ["lesion"]


def test_arc_and_line_lie_where_the_lesion_of_the_source_does(page: Page) -> None:
    """The made lesion's centre is in row 30, column 25, the same in both views: the marks go through it."""
    row, column = 30.5, 25.5
    for figure in page.locator(".views").first.locator("figure").all():
        nipple = figure.locator(".nipple")
        cx, cy = (float(nipple.get_attribute(name) or "nan") for name in ("cx", "cy"))
        arc = figure.locator(".arc:not(.tolerance)").get_attribute("d") or ""
        assert float(arc.split("A")[1].split()[0]) == pytest.approx(np.hypot(cx - column, cy - row), abs=0.01)
        depth = figure.locator(".depth:not(.tolerance)").get_attribute("d") or ""
        assert float(depth[1:].split()[0]) == pytest.approx(column, abs=0.01)


def test_the_difference_is_synthetic_minus_real(page: Page) -> None:
    page.wait_for_function(
        "document.querySelector('canvas').getContext('2d').getImageData(9, 48, 1, 1).data[3] === 255"
    )
    pixels = page.evaluate(
        """() => { const canvas = document.querySelector('canvas');
        return [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data]; }"""
    )
    data = json.loads(page.locator("#gallery-data").inner_text())
    shown = np.array(pixels).reshape(data["rows"], data["columns"], 4)
    views = page.evaluate(
        """async (sources) => { const found = [];
        for (const source of sources) {
            const image = new Image(); image.src = source; await image.decode();
            const canvas = new OffscreenCanvas(image.width, image.height).getContext('2d');
            canvas.drawImage(image, 0, 0);
            found.push([...canvas.getImageData(0, 0, image.width, image.height).data].filter((_, at) => at % 4 === 0));
        } return found; }""",
        [data["images"][data["cases"][0]["real"]["image"]], data["images"][data["cases"][0]["synthetic"]["image"]]],
    )
    real, synthetic = (np.array(view, dtype=float).reshape(data["rows"], data["columns"]) for view in views)
    strength = np.clip((synthetic - real) / 255 / data["full_difference"], -1, 1)
    brighter, darker = strength > 0.05, strength < -0.05
    assert brighter.any()
    assert darker.any()
    np.testing.assert_allclose(shown[brighter][:, 0], 255 * strength[brighter], atol=1)
    np.testing.assert_allclose(shown[darker][:, 2], -255 * strength[darker], atol=1)
    assert (shown[strength == 0][:, :3] == 0).all()


def test_a_narrow_window_scrolls_down_only(browser: Browser, folder: Path) -> None:
    with opened(browser, folder / "report.html", width=400, height=800) as page:
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("width", [1440, 1140, 800])
def test_no_cell_of_a_table_is_cut(browser: Browser, folder: Path, width: int) -> None:
    with opened(browser, folder / "report.html", width=width) as page:
        assert page.locator("#result thead th").last.inner_text() == "In words"
        cut = page.evaluate(
            """[...document.querySelectorAll('th, td')].filter(cell => cell.scrollWidth > cell.clientWidth
            || cell.getBoundingClientRect().right > cell.closest('.scroll').getBoundingClientRect().right + 0.5)
            .map(cell => cell.innerText)"""
        )
        assert cut == []


@pytest.mark.parametrize("width", [1140, 800])
def test_no_line_breaks_within_an_interval(browser: Browser, folder: Path, width: int) -> None:
    with opened(browser, folder / "report.html", width=width) as page:
        broken = page.evaluate(
            """[...document.querySelectorAll('td')].filter(cell => cell.innerText.includes('[')).map(cell => {
            const text = cell.firstChild, range = document.createRange();
            range.setStart(text, text.data.indexOf('[')); range.setEnd(text, text.data.indexOf(']') + 1);
            return [cell.innerText, range.getClientRects().length]; }).filter(([, lines]) => lines !== 1)"""
        )
        assert broken == []


def test_the_edge_beyond_which_a_table_goes_on_is_shaded(browser: Browser, folder: Path) -> None:
    with opened(browser, folder / "report.html", width=400, height=800) as page:
        table = page.locator("#result .scroll").first

        def shaded() -> tuple[bool, bool]:
            line = np.asarray(Image.open(io.BytesIO(table.screenshot())).convert("L"), dtype=float)[1]
            left, middle, right = line[[1, len(line) // 2, -2]]
            return left > middle + 10, right > middle + 10

        assert shaded() == (False, True)
        table.evaluate("each => each.scrollTo(each.scrollWidth, 0)")
        assert shaded() == (True, False)


def test_on_paper_it_is_light_and_nothing_is_cut(page: Page) -> None:
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert not page.locator("#controls").is_visible()
    assert not page.locator(".compare").first.is_visible()
    page.set_viewport_size({"width": 690, "height": 1000})  # A4 less the margins, at 96 per inch
    cut = page.evaluate(
        """[...document.querySelectorAll('main *')].filter(e => e.getClientRects().length
        && !e.closest('.frame') && e.getBoundingClientRect().right > 691).map(e => e.outerHTML.slice(0, 80))"""
    )
    assert cut == []


def test_text_and_its_ground_differ_enough(page: Page) -> None:
    """WCAG 2.2's contrast of at least 4.5 for the colours of text, on screen and on paper."""
    for media in ("screen", "print"):
        page.emulate_media(media=media)
        colours = page.evaluate(
            """() => Object.fromEntries(['ground', 'panel', 'ink', 'dim', 'model', 'checkpoint', 'baseline',
            'warning', 'reference', 'worse'].map(name => { const e = document.createElement('i');
            e.style.color = `var(--${name})`;
            document.body.append(e); const found = getComputedStyle(e).color; e.remove();
            return [name, found.match(/[\\d.]+/g).map(Number)]; }))"""
        )
        for ground in ("ground", "panel"):
            for name in set(colours) - {"ground", "panel"}:
                lighter, darker = sorted((_luminance(colours[name]), _luminance(colours[ground])), reverse=True)
                assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (media, name, ground)


def _luminance(colour: list[float]) -> float:
    shares = np.array(colour[:3]) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
