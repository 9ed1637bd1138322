"""The web page in a real browser: headless Chromium, driven by Playwright, judged by axe-core."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from support import usage

pytest.importorskip("starlette", reason="the extra `serve` is not installed")
pytest.importorskip("playwright", reason="playwright is not installed")

from playwright.sync_api import Browser, Page, expect
from support.browsers import AXE, needs_axe, needs_chromium, violations

from shoepair.commands.serving.predictor import DIFFERENT_VERDICT, NOT_SURE_VERDICT, SAME_VERDICT

# Notes down what would be spoken; Chromium without a screen has no voice.
VOICE = """
window.spoken = [];
window.speechSynthesis.speak = (words) => window.spoken.push(words.text);
window.speechSynthesis.cancel = () => {};
"""

pytestmark = needs_chromium

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[usage.Served]:
    with usage.serving(tmp_path_factory.mktemp("served")) as server:
        yield server


@pytest.fixture
def opened(browser: Browser, served: usage.Served) -> Iterator[Open]:
    """Opens the page; at the end nothing must have been complained of, such as a breach of the page's policy."""
    contexts, complaints = [], []

    def visit(**options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.add_init_script(VOICE)
        page.goto(served.url)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert [text for text in complaints if "the server responded with a status of 4" not in text] == []


def choose(page: Page, served: usage.Served, verdict: str) -> None:
    for label, path in zip(("left", "right"), served.paths(verdict), strict=True):
        page.get_by_label(f"Photo of the {label} shoe").set_input_files(path)


def ask(page: Page, served: usage.Served, verdict: str) -> None:
    choose(page, served, verdict)
    page.get_by_role("button", name="Compare the shoes").click()
    expect(page.get_by_role("status").locator(".verdict")).to_have_text(verdict.capitalize(), timeout=30_000)


@needs_axe
@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_before_and_after_verdicts_and_errors(
    opened: Open, served: usage.Served, browser: Browser, scheme: Literal["light", "dark"], script: bool
) -> None:
    # Without the page's script axe cannot run in it either: what came is then shown in a page that lets axe run.
    page = opened(color_scheme=scheme, java_script_enabled=script)
    judged = page if script else browser.new_page(color_scheme=scheme, bypass_csp=True)

    def faults() -> list[str]:
        if not script:
            shown = page.content().replace("<script>", "<script type='text/plain'>")
            judged.set_content(shown)
        return violations(judged)

    assert faults() == []
    for verdict in (SAME_VERDICT, DIFFERENT_VERDICT, NOT_SURE_VERDICT):
        ask(page, served, verdict)
        assert faults() == [], verdict
    page.get_by_label("Photo of the right shoe").set_input_files(str(served.folder / "params.yaml"))
    page.get_by_label("Photo of the left shoe").set_input_files(served.paths(SAME_VERDICT)[0])
    page.get_by_role("button", name="Compare the shoes").click()
    expect(page.get_by_role("alert")).to_contain_text("The photo of the right shoe: cannot be decoded")
    assert faults() == []
    if not script:
        judged.close()


def test_axe_would_see_a_fault(opened: Open) -> None:
    if not AXE.is_file():
        pytest.skip("no axe-core: npm ci --prefix tests")
    page = opened()
    page.evaluate("document.querySelector('label').remove()")
    assert any(fault.startswith("label: ") for fault in violations(page))


def test_keyboard_alone_is_enough(opened: Open, served: usage.Served) -> None:
    page = opened()
    # Before the first key: where expect_file_chooser is what switches this on, a key at once after it may be faster.
    page.on("filechooser", lambda _: None)
    left, right = served.paths(SAME_VERDICT)
    for label, path in (("left", left), ("right", right)):
        page.keyboard.press("Tab")
        expect(page.get_by_label(f"Photo of the {label} shoe")).to_be_focused()
        with page.expect_file_chooser() as chooser:
            page.keyboard.press("Enter")
        chooser.value.set_files(path)
    page.keyboard.press("Tab")
    expect(page.get_by_label("Speak the answer aloud")).to_be_focused()
    page.keyboard.press("Space")
    expect(page.get_by_label("Speak the answer aloud")).to_be_checked()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Compare the shoes")).to_be_focused()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid", "the focus is seen"
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").locator(".verdict")).to_have_text("Same pair", timeout=30_000)
    expect(page.get_by_role("button", name="Compare the shoes")).to_be_focused()
    spoken = page.evaluate("window.spoken")
    assert spoken[0] == "Answers are spoken."
    assert spoken[-1].startswith("Same pair. The probability that the two shoes are a pair is ")


def test_verdict_comes_into_the_status_that_was_there_before(opened: Open, served: usage.Served) -> None:
    page = opened()
    page.evaluate("document.querySelector('[role=status]').before = true")
    expect(page.get_by_role("status")).to_be_empty()
    expect(page.get_by_role("alert")).to_be_empty()
    ask(page, served, NOT_SURE_VERDICT)
    assert page.evaluate("document.querySelector('[role=status]').before") is True
    expect(page.get_by_role("status")).to_contain_text("the answer is “not sure”")
    expect(page.get_by_role("status")).to_contain_text("Take both photos again")
    expect(page).to_have_title("Not sure: Are these two shoes a pair?")
    assert page.evaluate("window.spoken") == [], "the voice is off until it is switched on"


def test_missing_photo_is_an_alert_and_gets_the_focus(opened: Open, served: usage.Served) -> None:
    page = opened()
    ask(page, served, SAME_VERDICT)
    page.get_by_label("Photo of the right shoe").set_input_files([])
    page.get_by_role("button", name="Compare the shoes").click()
    right = page.get_by_label("Photo of the right shoe")
    expect(page.get_by_role("alert")).to_have_text("The photo of the right shoe is missing. Take or choose one.")
    expect(page.get_by_role("status")).to_be_empty()
    expect(right).to_be_focused()
    expect(right).to_have_attribute("aria-invalid", "true")
    expect(right).to_have_accessible_description(re.compile("The photo of the right shoe is missing"))


def test_photo_that_is_none_is_an_alert_from_the_server(opened: Open, served: usage.Served) -> None:
    page = opened()
    choose(page, served, SAME_VERDICT)
    page.get_by_label("Photo of the left shoe").set_input_files(str(served.folder / "params.yaml"))
    page.get_by_label("Speak the answer aloud").check()
    page.get_by_role("button", name="Compare the shoes").click()
    expect(page.get_by_role("alert")).to_contain_text("not a JPEG, HEIC, PNG, WebP or AVIF image")
    expect(page.get_by_label("Photo of the left shoe")).to_be_focused()
    assert "not a JPEG, HEIC, PNG, WebP or AVIF image" in page.evaluate("window.spoken")[-1]


def test_large_photo_is_refused_before_it_is_sent(opened: Open, served: usage.Served, tmp_path: Path) -> None:
    page = opened()
    choose(page, served, SAME_VERDICT)
    large = tmp_path / "large.jpg"
    with large.open("wb") as file:
        file.truncate(20 * 2**20 + 1)
    page.get_by_label("Photo of the left shoe").set_input_files(str(large))
    page.get_by_role("button", name="Compare the shoes").click()
    expect(page.get_by_role("alert")).to_contain_text("more than 20 megabytes")


def test_page_works_without_javascript(opened: Open, served: usage.Served) -> None:
    page = opened(java_script_enabled=False)
    expect(page.get_by_label("Speak the answer aloud")).to_be_hidden()
    ask(page, served, SAME_VERDICT)
    assert page.url == f"{served.url}#result"
    expect(page).to_have_title("Same pair: Are these two shoes a pair?")
    expect(page.get_by_role("alert")).to_be_empty()
    ask(page, served, DIFFERENT_VERDICT)
    choose(page, served, SAME_VERDICT)
    page.get_by_label("Photo of the left shoe").set_input_files(str(served.folder / "params.yaml"))
    page.get_by_role("button", name="Compare the shoes").click()
    expect(page.get_by_role("alert")).to_contain_text("The photo of the left shoe: cannot be decoded")
    expect(page.get_by_role("status")).to_be_empty()
    expect(page).to_have_title("No answer: Are these two shoes a pair?")


def test_phone_opens_its_camera_or_on_wish_its_photos(opened: Open) -> None:
    page = opened(viewport={"width": 320, "height": 640}, has_touch=True, is_mobile=True)
    left = page.get_by_label("Photo of the left shoe")
    expect(left).to_have_attribute("capture", "environment")
    page.get_by_label("Choose photos that I already have").check()
    assert left.get_attribute("capture") is None
    page.get_by_label("Choose photos that I already have").uncheck()
    expect(left).to_have_attribute("capture", "environment")


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_page_fits_every_width_and_has_large_targets(opened: Open, served: usage.Served, width: int) -> None:
    page = opened(viewport={"width": width, "height": 700})
    ask(page, served, NOT_SURE_VERDICT)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for control in page.locator("button, input[type=file], .choice:visible").all():
        box = control.bounding_box()
        assert box is not None
        assert box["height"] >= 44


def test_nothing_is_kept_in_the_browser(opened: Open, served: usage.Served) -> None:
    page = opened()
    ask(page, served, SAME_VERDICT)
    assert page.context.cookies() == []
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0
