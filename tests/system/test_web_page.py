"""The web page in a real browser: headless Chromium, driven by Playwright, judged by axe-core."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from PIL import Image
from support import usage

from benchmarks.heif_files import encode_tile, make_heif

pytest.importorskip("starlette", reason="the extra `serve` is not installed")
pytest.importorskip("playwright", reason="playwright is not installed")

from playwright.sync_api import Browser, Page, Route, expect
from support.browsers import AXE, needs_axe, needs_chromium, violations

from shoepair.commands.serving.predictor import DIFFERENT_VERDICT, NOT_SURE_VERDICT, SAME_VERDICT
from shoepair.ingestion import heif_structure

# Notes down what would be spoken; Chromium without a screen has no voice.
VOICE = """
window.spoken = [];
window.speechSynthesis.speak = (words) => window.spoken.push(words.text);
window.speechSynthesis.cancel = () => {};
"""

NO_PHOTO = "The photo of the right shoe is not a photo; take a photo of the shoe with the camera."
GOOD = "The photo of the {} shoe is good: sharp, and bright enough."

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
    expected = ("the server responded with a status of 4", "net::ERR_INTERNET_DISCONNECTED")
    assert [text for text in complaints if not any(words in text for words in expected)] == []


def choose(page: Page, served: usage.Served, verdict: str) -> None:
    for label, path in zip(("left", "right"), served.paths(verdict), strict=True):
        page.get_by_label(f"Photo of the {label} shoe").set_input_files(path)


def ask(page: Page, served: usage.Served, verdict: str) -> None:
    choose(page, served, verdict)
    page.get_by_role("button", name="Compare the shoes").click()
    expect(page.locator("#answer .verdict")).to_have_text(verdict.capitalize(), timeout=30_000)


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
    if script:
        expect(page.locator("#right-seen")).to_have_text(NO_PHOTO)
        assert faults() == []
    page.get_by_role("button", name="Compare the shoes").click()
    right = page.get_by_label("Photo of the right shoe")
    expect(right).to_have_accessible_description(NO_PHOTO)
    assert page.get_by_text(NO_PHOTO).count() == 1, "said once"
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
    expect(page.locator("#answer .verdict")).to_have_text("Same pair", timeout=30_000)
    expect(page.get_by_role("button", name="Compare the shoes")).to_be_focused()
    spoken = page.evaluate("window.spoken")
    assert spoken[0] == "Answers are spoken."
    start = "Same pair. The two shoes can be worn together. The probability that the two shoes are a pair is "
    assert spoken[-1].startswith(start)
    assert spoken[-1].endswith("it told 91 % of the pairs right (95 % confidence: 84 % to 96 %).")
    for key in ("Tab", "Tab"):  # the example, then another pair
        page.keyboard.press(key)
    expect(page.get_by_role("link", name="Compare another pair")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Photo of the left shoe")).to_be_focused()
    expect(page.locator("#answer")).to_be_empty()
    assert page.evaluate("[...document.querySelectorAll('input[type=file]')].map((field) => field.files.length)") == [
        0,
        0,
    ]


def test_verdict_comes_into_the_status_that_was_there_before(opened: Open, served: usage.Served) -> None:
    page = opened()
    page.evaluate("document.querySelector('#answer[role=status]').before = true")
    expect(page.locator("#answer")).to_be_empty()
    expect(page.get_by_role("alert")).to_be_empty()
    ask(page, served, NOT_SURE_VERDICT)
    assert page.evaluate("document.querySelector('#answer[role=status]').before") is True
    expect(page.locator("#answer")).to_contain_text("the answer is “not sure”")
    expect(page.locator("#answer")).to_contain_text("Take both photos again")
    expect(page).to_have_title("Not sure: Are these two shoes a pair?")
    assert page.evaluate("window.spoken") == [], "the voice is off until it is switched on"


def test_missing_photo_is_told_at_its_field_which_gets_the_focus(opened: Open, served: usage.Served) -> None:
    page = opened()
    ask(page, served, SAME_VERDICT)
    page.get_by_label("Photo of the right shoe").set_input_files([])
    expect(page.locator("#answer")).to_be_empty()
    page.get_by_role("button", name="Compare the shoes").click()
    right = page.get_by_label("Photo of the right shoe")
    missing = "The photo of the right shoe is missing. Take or choose one."
    expect(right).to_be_focused()
    expect(right).to_have_attribute("aria-invalid", "true")
    expect(right).to_have_accessible_description(missing)
    expect(page.get_by_role("alert")).to_be_empty()
    expect(page.locator("#waiting")).to_contain_text("The answer appears here")
    assert page.get_by_text(missing).count() == 1, "said once"


def test_no_field_is_invalid_before_it_was_touched(opened: Open) -> None:
    page = opened()
    assert page.locator("[aria-invalid], :invalid").count() == 0
    assert "invalid" not in page.locator("body").aria_snapshot()


def test_each_photo_is_looked_at_when_it_is_chosen_and_told_once(opened: Open, served: usage.Served) -> None:
    page = opened()
    page.get_by_label("Speak the answer aloud").check()
    left, right = served.paths(SAME_VERDICT)
    page.get_by_label("Photo of the left shoe").set_input_files(left)
    expect(page.locator("#left-seen[role=status]")).to_have_text(GOOD.format("left"))
    page.get_by_label("Photo of the right shoe").set_input_files(str(served.folder / "params.yaml"))
    expect(page.locator("#right-seen[role=status]")).to_have_text(NO_PHOTO)
    assert page.evaluate("window.spoken") == ["Answers are spoken.", GOOD.format("left"), NO_PHOTO]
    page.get_by_label("Photo of the right shoe").set_input_files(right)
    expect(page.locator("#right-seen")).to_have_text(GOOD.format("right"))
    assert page.locator("[aria-invalid]").count() == 0


def test_verdict_goes_when_a_photo_changes_also_while_it_is_awaited(opened: Open, served: usage.Served) -> None:
    page = opened()
    ask(page, served, SAME_VERDICT)
    other = served.paths(DIFFERENT_VERDICT)[0]
    page.get_by_label("Photo of the left shoe").set_input_files(other)
    expect(page.locator("#answer")).to_be_empty()
    expect(page).to_have_title("Are these two shoes a pair?")
    expect(page.get_by_role("link", name="Compare another pair")).to_be_hidden()
    expect(page.locator("#waiting")).to_contain_text("The answer appears here")
    choose(page, served, SAME_VERDICT)
    expect(page.locator("#right-seen")).to_have_text(GOOD.format("right"))
    held: list[Route] = []
    page.route("**/", lambda route: held.append(route))
    page.get_by_role("button", name="Compare the shoes").click()
    expect(page.locator("#answer")).to_have_text("Comparing the two photos …")
    page.get_by_label("Photo of the left shoe").set_input_files(other)
    expect(page.locator("#answer")).to_be_empty()
    while len(held) < 2:
        page.wait_for_timeout(20)
    with page.expect_response(lambda response: "verdict" in response.text()):
        for route in held:
            route.continue_()
    expect(page.locator("#left-seen")).to_have_text(GOOD.format("left"))
    expect(page.locator("#answer")).to_be_empty()


def test_comparison_sends_the_bytes_that_were_looked_at(opened: Open, served: usage.Served) -> None:
    page = opened()
    sent: list[bytes | None] = []
    page.on("request", lambda request: sent.append(request.post_data_buffer) if request.method == "POST" else None)
    ask(page, served, SAME_VERDICT)
    assert len(sent) == 3, "each photo once, and the pair"
    photos = [Path(path).read_bytes() for path in served.paths(SAME_VERDICT)]
    for body, expected in zip(sent, [photos[:1], photos[1:], photos], strict=True):
        assert body is None or all(photo in body for photo in expected), "the server knows them again by their bytes"


def test_large_photo_is_reduced_before_it_is_sent(opened: Open, tmp_path: Path) -> None:
    page = opened()
    noise = Image.effect_noise((1000, 750), 90).resize((4000, 3000))
    large = tmp_path / "large.jpg"
    exif = Image.Exif()
    exif[0x010F] = "Maker of the phone"
    noise.save(large, quality=97, exif=exif)
    assert large.stat().st_size > 2_000_000
    with page.expect_request(lambda request: request.method == "POST") as sent:
        page.get_by_label("Photo of the left shoe").set_input_files(str(large))
    expect(page.locator("#left-seen")).to_have_text(re.compile("The photo of the left shoe is "), timeout=30_000)
    body = sent.value.post_data_buffer
    assert body is None or len(body) < 1_500_000
    assert body is None or b"Maker of the phone" not in body
    assert int(sent.value.all_headers()["content-length"]) < 1_500_000


def test_large_photo_that_cannot_be_reduced_is_refused_before_it_is_sent(
    opened: Open, served: usage.Served, tmp_path: Path
) -> None:
    page = opened()
    choose(page, served, SAME_VERDICT)
    large = tmp_path / "large.heic"
    with large.open("wb") as file:
        file.truncate(20 * 2**20 + 1)
    page.get_by_label("Photo of the left shoe").set_input_files(str(large))
    expect(page.locator("#left-seen")).to_contain_text("more than 20 megabytes")
    page.get_by_role("button", name="Compare the shoes").click()
    expect(page.get_by_label("Photo of the left shoe")).to_have_accessible_description(re.compile("20 megabytes"))


def test_heic_of_a_library_is_looked_at_though_the_browser_cannot_show_it(
    opened: Open, served: usage.Served, tmp_path: Path
) -> None:
    page = opened()
    heic = tmp_path / "IMG_0001.HEIC"
    with Image.open(served.paths(SAME_VERDICT)[0]) as image:
        heic.write_bytes(make_heif([encode_tile(image.convert("RGB"), heif_structure.HEVC)], b"heic"))
    page.get_by_label("Photo of the left shoe").set_input_files(str(heic))
    expect(page.locator("#left-seen")).to_have_text(GOOD.format("left"))
    expect(page.locator(".frame span").first).to_have_text("Photo chosen")


def test_photo_is_dropped_or_pasted(opened: Open, served: usage.Served) -> None:
    page = opened()
    left, right = (base64.b64encode(Path(path).read_bytes()).decode() for path in served.paths(SAME_VERDICT))
    give = """([kind, target, text]) => {
        const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], "photo.jpg", { type: "image/jpeg" }));
        const options = { bubbles: true, cancelable: true };
        const event = kind === "drop"
            ? new DragEvent("drop", { ...options, dataTransfer: data })
            : new ClipboardEvent("paste", { ...options, clipboardData: data });
        document.querySelector(target).dispatchEvent(event);
    }"""
    page.evaluate(give, ["drop", ".frame[data-for=left]", left])
    expect(page.locator("#left-seen")).to_have_text(GOOD.format("left"))
    page.evaluate(give, ["paste", "body", right])
    expect(page.locator("#right-seen")).to_have_text(GOOD.format("right"))
    page.get_by_role("button", name="Compare the shoes").click()
    expect(page.locator("#answer .verdict")).to_have_text("Same pair", timeout=30_000)


def test_tap_on_the_frame_chooses_a_photo(opened: Open) -> None:
    page = opened()
    with page.expect_file_chooser():
        page.locator(".frame[data-for=right]").click()


def test_example_pair_can_be_tried(opened: Open) -> None:
    page = opened()
    page.get_by_role("button", name="Try it with an example pair").click()
    expect(page.locator("#left-seen")).to_have_text(GOOD.format("left"))
    expect(page.locator("#right-seen")).to_have_text(GOOD.format("right"))
    page.get_by_role("button", name="Compare the shoes").click()
    expect(page.locator("#answer .verdict")).not_to_be_empty(timeout=30_000)


def test_page_without_its_server_says_so_and_goes_on_when_it_is_back(opened: Open, served: usage.Served) -> None:
    page = opened()
    page.context.set_offline(True)
    left, right = served.paths(SAME_VERDICT)
    page.get_by_label("Photo of the left shoe").set_input_files(left)
    unreachable = "The server cannot be reached, or is too busy. Wait a few seconds, then try again."
    expect(page.locator("#left-seen")).to_have_text(unreachable)
    page.get_by_label("Photo of the right shoe").set_input_files(right)
    page.get_by_role("button", name="Compare the shoes").click()
    expect(page.get_by_role("alert")).to_have_text(unreachable)
    page.context.set_offline(False)
    page.get_by_role("button", name="Compare the shoes").click()
    expect(page.locator("#answer .verdict")).to_have_text("Same pair", timeout=30_000)
    expect(page.get_by_role("alert")).to_be_empty()


START = """
- main:
  - heading "Are these two shoes a pair?" [level=1]
  - paragraph: /Put one shoe on a plain floor with its side against a wall. Switch the light on. .*forearm.*/
  - 'region "Step 1 of 2: the left shoe"':
    - 'heading "Step 1 of 2: the left shoe" [level=2]'
    - text: Photo of the left shoe
    - button "Photo of the left shoe"
    - status{left}
  - 'region "Step 2 of 2: the right shoe"':
    - 'heading "Step 2 of 2: the right shoe" [level=2]'
    - text: Photo of the right shoe
    - button "Photo of the right shoe"
    - status{right}
  - paragraph: JPEG, HEIC, PNG, WebP or AVIF; at most 20 megabytes and 120 megapixels.
  - paragraph:
    - checkbox "Speak the answer aloud"
    - text: Speak the answer aloud
  - button "Compare the shoes"
  - button "Try it with an example pair"
  - region "Answer":
    - heading "Answer" [level=2]
    - alert
    - status{answer}
"""
WAITING = "\n    - paragraph: The answer appears here after you choose both photos and press the button."
LEARNT = "/This program learnt from photos of the shoes of 60 people; of 33 others it told .*/"
AGAIN = '    - paragraph:\n      - link "Compare another pair":\n        - /url: /'
ANSWERS = {
    SAME_VERDICT: (
        "Same pair",
        "The two shoes can be worn together.",
        r"/.*is \d+.%; above \d+.% the answer is sure./",
    ),
    DIFFERENT_VERDICT: (
        "Different pairs",
        "Look for another shoe, and check again.",
        r"/.*is \d+.%; below \d+.% the answer is sure./",
    ),
    NOT_SURE_VERDICT: (
        "Not sure",
        "/Take both photos again. .*/",
        r"/.*between \d+.% and \d+.% the answer is “not sure”./",
    ),
}


def test_accessibility_tree_of_every_state_is_as_written(opened: Open, served: usage.Served) -> None:
    page = opened()
    body = page.locator("body")
    good = {side: f': "{GOOD.format(side)}"' for side in ("left", "right")}
    expect(body).to_match_aria_snapshot(START.format(left="", right="", answer=WAITING))
    choose(page, served, SAME_VERDICT)
    expect(body).to_match_aria_snapshot(START.format(**good, answer=WAITING))
    for verdict, texts in ANSWERS.items():
        ask(page, served, verdict)
        lines = "".join(f"\n      - paragraph: {text}" for text in (*texts, LEARNT))
        expect(body).to_match_aria_snapshot(START.format(**good, answer=f":{lines}\n{AGAIN}"))
    page.get_by_label("Photo of the right shoe").set_input_files(str(served.folder / "params.yaml"))
    bad = good | {"right": f": {NO_PHOTO}"}
    expect(body).to_match_aria_snapshot(START.format(**bad, answer=WAITING))
    page.get_by_role("button", name="Compare the shoes").click()
    expect(page.get_by_label("Photo of the right shoe")).to_be_focused()
    expect(page.get_by_label("Photo of the right shoe")).to_have_accessible_description(NO_PHOTO)
    expect(page.locator("#right-seen")).to_be_empty()
    expect(page.get_by_role("alert")).to_be_empty()


@needs_axe
def test_forced_colours_keep_borders_and_marks(opened: Open, served: usage.Served) -> None:
    page = opened(forced_colors="active", viewport={"width": 320, "height": 700})
    ask(page, served, SAME_VERDICT)
    assert violations(page) == []
    style = page.locator(".card").evaluate("(card) => getComputedStyle(card).borderLeftStyle")
    assert style == "solid"
    mark = page.locator(".verdict").evaluate("(text) => getComputedStyle(text, '::before').content")
    assert "\u2713" in mark, "told by more than colour"


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
    expect(page.get_by_role("alert")).to_contain_text("The photo of the left shoe is not a photo")
    left = page.get_by_label("Photo of the left shoe")
    expect(left).to_have_accessible_description(re.compile("^The photo of the left shoe is not a photo"))
    expect(page.locator("#answer")).to_be_empty()
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
