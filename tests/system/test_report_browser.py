"""The report's page in headless Chromium, without a network: axe-core, light and dark, widths, keyboard, pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from support.pages import made, written_page

pytest.importorskip("playwright", reason="playwright is not installed")

from playwright.sync_api import Browser, Page, Request, Route
from support.browsers import needs_axe, needs_chromium, violations

from shoepair.data import contact_sheets
from shoepair.reports import chart_drawing
from shoepair.reports.formatting import PAGE_PATH
from shoepair.runtime import paths

pytestmark = needs_chromium

Open = Callable[..., Page]
SETS = {"train": 4, "valid": 8}  # of a class without test students


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A page with all there can be, and one of a class without test students."""
    folder, places = tmp_path_factory.mktemp("report"), {}
    aside = {"u900": ["u900: 2 photos, expected 6 (missing: pair 1 left, pair 1 right, pair 2 left, pair 2 right)"]}
    flags = {"dark": [f"train/u{number}_1_left_m.jpg" for number in range(100, 120)]}
    with pytest.MonkeyPatch.context() as patch:
        for name, options in (
            ("whole", {"folded": ["cnn"], "reasons": aside, "flags": flags}),
            ("bare", {"sets": SETS}),
        ):
            place = folder / name
            place.mkdir()
            patch.chdir(place)
            written_page(made(models=["histogram", "cnn", "cnn_channel", "siamese"], **options))
            contact_sheets.write_sheets("a", paths.sheets_path("a"))
            places[name] = place / PAGE_PATH
    return places


@pytest.fixture
def opened(browser: Browser, written: dict[str, Path]) -> Iterator[Open]:
    """Opens a page; nothing but its own file may be asked for, and nothing complained of."""
    contexts, asked, complaints = [], [], []

    def refuse(route: Route, request: Request) -> None:
        if request.url.startswith(("file:", "data:")):
            route.continue_()
        else:
            asked.append(request.url)
            route.abort()

    def visit(name: str = "whole", file: str = "index.html", **options: Any) -> Page:
        context = browser.new_context(offline=True, bypass_csp=True, **options)  # or axe-core could not run
        contexts.append(context)
        context.route("**/*", refuse)
        shown = context.new_page()
        shown.on("request", lambda request: asked.append(request.url))
        shown.on("console", lambda message: complaints.append(message.text))
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        shown.goto(written[name].with_name(file).as_uri())
        return shown

    yield visit
    for context in contexts:
        context.close()
    own = tuple(path.parent.as_uri() for path in written.values())
    assert [url for url in asked if not url.startswith(own) and not url.startswith("data:")] == []
    assert complaints == []


@needs_axe
@pytest.mark.parametrize("name", ["whole", "bare"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(opened: Open, scheme: Literal["light", "dark"], name: str) -> None:
    assert violations(opened(name, color_scheme=scheme)) == []


@needs_axe
def test_axe_finds_nothing_on_a_phone_and_would_see_a_fault(opened: Open) -> None:
    shown = opened(viewport={"width": 320, "height": 640})
    assert violations(shown) == []
    shown.evaluate("document.querySelector('img').removeAttribute('alt')")
    assert any(fault.startswith("image-alt: ") for fault in violations(shown))


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_page_fits_every_width(opened: Open, width: int) -> None:
    shown = opened(viewport={"width": width, "height": 700})
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    outside = "e => !e.closest('.scroll, svg') && e.getBoundingClientRect().right > innerWidth + 1"
    assert shown.evaluate(f"[...document.querySelectorAll('main *')].filter({outside}).length") == 0
    reachable = shown.evaluate("[...document.querySelectorAll('.scroll')].every(e => e.tabIndex === 0)")
    assert reachable, "a wide table cannot be scrolled by the keyboard"


def test_letters_of_charts_are_legible_at_every_width(opened: Open) -> None:
    points = "[...document.querySelectorAll('.chart svg')].filter(e => e.checkVisibility())" + (
        ".map(e => e.getBoundingClientRect().width / e.viewBox.baseVal.width)"
    )
    for width in (320, 768, 1280):
        scales = opened(viewport={"width": width, "height": 700}).evaluate(points)
        assert len(scales) == 1 + 2 + 2 + 2
        assert 9 <= min(scales) * chart_drawing.FONT_SIZE <= max(scales) * chart_drawing.FONT_SIZE <= 16


def test_figures_stand_beside_the_answer_and_charts_side_by_side_where_there_is_room(opened: Open) -> None:
    tops = "(selector) => [...document.querySelectorAll(selector)].map(e => e.getBoundingClientRect().top)"
    for width, columns in ((320, 1), (768, 2), (1280, 2)):
        shown = opened(viewport={"width": width, "height": 700})
        charts = shown.evaluate(tops, "#training > .charts .chart")
        assert len(set(charts)) == len(charts) / columns, width
        answer, side = shown.evaluate(tops, ".answer, .side")
        assert (answer == side) == (width == 1280), width


def test_page_is_whole_without_script_and_network(opened: Open) -> None:
    shown = opened(java_script_enabled=False)
    assert shown.locator("h1").inner_text() == "Two shoes, a pair?"
    assert shown.locator("dialog[open]").count() == 0
    assert shown.locator("svg").count() == 4 * 4 + 2 + 1


def test_every_picture_is_drawn(opened: Open) -> None:
    shown = opened()
    sizes = shown.evaluate(
        "Promise.all([...document.images].map(i => i.decode().then(() => [i.naturalWidth, i.naturalHeight])))"
    )
    assert len(sizes) > 100
    assert {tuple(size) for size in sizes} == {(228, 112), (68, 32)}  # the photos of this class are 32 pixels wide
    boxes = shown.evaluate(
        "[...document.querySelectorAll('svg')].filter(e => e.checkVisibility())"
        ".map(e => e.getBoundingClientRect().height)"
    )
    assert min(boxes) > 200


def test_charts_take_the_colours_of_the_scheme(opened: Open) -> None:
    inks = {}
    for scheme in ("light", "dark"):
        shown = opened(color_scheme=scheme)
        lines = "[...document.querySelectorAll('svg path')].map(e => getComputedStyle(e).stroke)"
        inks[scheme] = set(shown.evaluate(lines)) - {"none"}
        assert shown.evaluate("getComputedStyle(document.querySelector('section')).backgroundColor") in {
            "rgb(255, 255, 255)",
            "rgb(30, 36, 42)",
        }
    assert not inks["light"] & inks["dark"], "a colour is the same on white and on black"


def test_keyboard_skips_to_the_report(opened: Open) -> None:
    shown = opened()
    shown.keyboard.press("Tab")
    assert shown.evaluate("document.activeElement.textContent") == "Skip to the report"
    assert shown.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    shown.keyboard.press("Enter")
    assert shown.evaluate("document.activeElement.id") == "main"
    links = shown.evaluate("[...document.querySelectorAll('nav a')].map(a => document.querySelector(a.hash) !== null)")
    assert links == [True] * 10


def test_photo_enlarges_by_click_and_keyboard_and_escape_closes(opened: Open) -> None:
    shown = opened()
    first = shown.locator("button.enlarge").first
    first.click()
    assert shown.locator("dialog img").evaluate("e => e.alt") == first.locator("img").get_attribute("alt")
    shown.keyboard.press("Escape")
    assert not shown.locator("dialog").is_visible()
    first.focus()
    shown.keyboard.press("Enter")
    assert shown.locator("dialog").is_visible()


@needs_axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_page_of_photos_fits_and_axe_finds_nothing(opened: Open, scheme: Literal["light", "dark"], width: int) -> None:
    shown = opened(file="photos.html", color_scheme=scheme, viewport={"width": width, "height": 700})
    assert violations(shown) == []
    assert shown.evaluate("document.documentElement.scrollWidth") <= width


def test_page_of_photos_filters_sorts_and_loads_the_sheets(opened: Open) -> None:
    shown = opened(file="photos.html")
    entries = shown.locator("ul.sheets > li")
    assert entries.count() == 23
    shown.select_option("[name=split]", "test_w")
    assert entries.count() == 4
    shown.select_option("[name=split]", "")
    shown.select_option("[name=flag]", "dark")
    assert entries.count() == 20
    shown.select_option("[name=flag]", "")
    counts = {}
    for name, value in (("issue", "0.1"), ("score", "0.5"), ("answer", "wrong")):
        shown.select_option(f"[name={name}]", value)
        counts[name] = entries.count()
        shown.select_option(f"[name={name}]", "")
    assert counts["issue"] == 17  # probabilities fall from 0.4 to 0
    assert 0 < counts["score"] == counts["answer"] < 23
    shown.select_option("[name=order]", "student")
    assert entries.first.locator("h3").text_content() == "u100"
    assert shown.evaluate("document.images[0].decode().then(() => document.images[0].naturalWidth)") == 3 * 32
    shown.fill("[name=text]", "u105")
    assert entries.count() == 1
