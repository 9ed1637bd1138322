"""Paths of the report's files, and number formats.

    reports/index.html       the page: one file, readable offline; scripts only enlarge photos
    reports/photos.html      all students, to sort and filter; shows the contact sheets in reports/photos
    reports/model-card.md    purpose of the models, evaluation, limits
    reports/data-card.md     origin, content and splits of the photos
    reports/croissant.json   the data card for programs, as Croissant 1.1 (https://mlcommons.org/croissant)
    reports/dvc-plots.html   template of the page of `dvc plots show`, with Vega
    plots/examples/<model>.jpg   pairs that a model got wrong and right, for `dvc plots`

All numbers come from the outputs of other stages; none is computed a second time.
The same inputs give the same bytes: no dates, paths or program versions, and letters drawn as outlines.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

PAGE_PATH = Path("reports/index.html")
PHOTOS_PAGE_PATH = Path("reports/photos.html")
MODEL_CARD_PATH = Path("reports/model-card.md")
DATA_CARD_PATH = Path("reports/data-card.md")
CROISSANT_PATH = Path("reports/croissant.json")
DVC_PLOTS_TEMPLATE_PATH = Path("reports/dvc-plots.html")
EXAMPLES_FOLDER = Path("plots/examples")

# Counts that `validate` reports per batch; files = accepted + quarantined + ignored.
VALIDATION_COUNT_NAMES = ("files", "accepted", "quarantined", "ignored", "students", "quarantined_students")
# Titles of the splits.
SPLIT_TITLES = {
    "train": "training",
    "valid": "validation",
    "test_m": "men's shoes",
    "test_w": "women's shoes",
    "test": "both tests",
}


def read_template(file_name: str) -> str:
    """Read the text of a file in `templates/`."""
    return resources.files("shoepair.reports").joinpath("templates", file_name).read_text(encoding="utf-8")


def examples_path(model: str) -> Path:
    """Return the path of a model's example pairs, plots/examples/<model>.jpg."""
    return EXAMPLES_FOLDER / f"{model}.jpg"


def markdown_table(rows: list[list[str]], text_columns: int) -> str:
    """Format rows as a Markdown table, the first row as header; the first `text_columns` columns are left-aligned."""
    marks = [":--" if column < text_columns else "--:" for column in range(len(rows[0]))]
    return "\n".join("| " + " | ".join(line) + " |" for line in (rows[0], marks, *rows[1:]))


def format_percent(share: float) -> str:
    """Format a share as a whole percentage; "under 1 %" and "over 99 %" where rounding would claim certainty."""
    if 0 < share < 0.01:
        return "under 1 %"
    if 0.99 < share < 1:
        return "over 99 %"
    return f"{100 * share:.0f} %"
