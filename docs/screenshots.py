"""Make the pictures of the documentation from this project, so that they are true.

`python docs/screenshots.py` after `make repro`, with the drawn class only. It writes docs/pairs.png, two answers of
the best model; left.png and right.png, photos to try `shoepair check` on; and report.png and photos.png, the pages.
Needs Playwright and `chromium` on the PATH. `--all FOLDER` writes both pages at all widths, light and dark, instead.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from itertools import product
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from shoepair.commands.serving import pair_picture
from shoepair.commands.serving.predictor import (
    PROBABLY_DIFFERENT_VERDICT,
    PROBABLY_SAME_VERDICT,
    PairPredictor,
    ShoePhoto,
    load_predictor,
)
from shoepair.data import naming, parquet_files, schemas
from shoepair.runtime import paths
from shoepair.runtime.batches import load_batch_lists

DOCS = Path(__file__).resolve().parent
PAGES = {"report": "index.html", "photos": "photos.html"}
WIDTHS = (320, 768, 1280)
SIZE = {"width": 1280, "height": 900}  # of the pictures in docs


def main() -> int:
    """Write the pictures; return the exit status."""
    parser = argparse.ArgumentParser(description="Make the pictures of the documentation.")
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="write all widths and schemes here instead")
    parser.add_argument("--project", type=Path, default=DOCS.parent, help="the project whose pages are shown")
    arguments = parser.parse_args()
    folder = arguments.all and arguments.all.resolve()
    os.chdir(arguments.project)
    if not folder:
        photographed = [path.name for path in paths.RAW_FOLDER.glob("*.dvc")]
        if photographed:
            sys.stderr.write(f"error: {', '.join(photographed)}: pictures in docs show the drawn class only\n")
            return 1
        write_pair_pictures()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, file in PAGES.items():
            address = (Path.cwd() / "reports" / file).as_uri()
            if folder:
                _write_all(browser, address, name, folder)
            else:
                page = browser.new_page(viewport=SIZE, color_scheme="light")
                _open(page, address)
                page.screenshot(path=DOCS / f"{name}.png")
        browser.close()
    return 0


def write_pair_pictures() -> None:
    """Write a left shoe with its own right shoe, and with the one of the test class that is most like it.

    Of all different pairs of test students that the best model answers, the one with the highest score is shown: where
    it answers same for the left shoe's own pair.
    """
    predictor = load_predictor()
    candidates = []
    for photos in _read_test_students(predictor):
        for left, right in product(naming.PAIR_NUMBERS, naming.PAIR_NUMBERS):
            shown = [(photos[left, "left"], photos[number, "right"]) for number in (left, right)]
            answers = [predictor.predict(one, other) for (_, one), (_, other) in shown]
            if [answer.verdict for answer in answers] == [PROBABLY_SAME_VERDICT, PROBABLY_DIFFERENT_VERDICT]:
                candidates.append((answers[1].score, shown, answers))
    _, shown, answers = max(candidates, key=lambda candidate: candidate[0])
    pair_picture.write_picture(
        DOCS / "pairs.png",
        [(one[0], other[0], one[1], other[1], answer) for (one, other), answer in zip(shown, answers, strict=True)],
    )
    for side, (_, photo) in zip(naming.SIDES, shown[0], strict=True):
        Image.fromarray(photo.pixels).save(DOCS / f"{side}.png", optimize=True)


def _read_test_students(predictor: PairPredictor) -> list[dict[tuple[int, str], tuple[str, ShoePhoto]]]:
    """Return name and photo of the shoes of each test student, by number of the pair and side."""
    students: dict[str, dict[tuple[int, str], tuple[str, ShoePhoto]]] = {}
    for batch in load_batch_lists().batches:
        rows = parquet_files.read_table(paths.accepted_path(batch), schemas.AcceptedPhotos)
        for row in rows[rows["subset"].isin(naming.TEST_SPLITS)].to_dict("records"):
            photo = predictor.prepare_photo(paths.raw_path(batch) / row["path"])
            students.setdefault(row["student"], {})[row["pair"], row["side"]] = (Path(row["path"]).name, photo)
    return list(students.values())


def _open(page: Page, address: str) -> None:
    page.goto(address, timeout=300_000)
    page.wait_for_load_state("networkidle")


def _write_all(browser: Browser, address: str, name: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for width in WIDTHS:
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            _open(page, address)
            page.screenshot(path=folder / f"{name}-{width}-{scheme}.png")
            page.screenshot(path=folder / f"{name}-{width}-{scheme}-whole.png", full_page=True)
            page.close()


if __name__ == "__main__":
    sys.exit(main())
