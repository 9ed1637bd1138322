"""The files of the report, and how numbers are written in them.

    reports/index.html       the page: one file, opens offline, needs no script
    reports/model-card.md    what the models are for, how they were measured, where they fail
    reports/data-card.md     what the photos are, how they came here, who is in which split
    reports/croissant.json   the same of the data for programs, as Croissant 1.1 (https://mlcommons.org/croissant)
    plots/examples/<model>.jpg   pairs that a model got wrong and right, for `dvc plots`

All of it is made from the outputs of the other stages, so no number on it is worked out a second time in another way.
The same inputs give the same bytes: no date, no path, no version of a program, and letters drawn as outlines.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

PAGE = Path("reports/index.html")
MODEL_CARD = Path("reports/model-card.md")
DATA_CARD = Path("reports/data-card.md")
CROISSANT = Path("reports/croissant.json")
EXAMPLES = Path("plots/examples")

# What `validate` counts of every batch; files = accepted + quarantined + ignored.
COUNTS = ("files", "accepted", "quarantined", "ignored", "students", "quarantined_students")
# The sets of students, as people read them.
SETS = {
    "train": "training",
    "valid": "validation",
    "test_m": "men's shoes",
    "test_w": "women's shoes",
    "test": "both tests",
}


def template(name: str) -> str:
    """The text of a file of `templates/`."""
    return resources.files("shoepair.reports").joinpath("templates", name).read_text(encoding="utf-8")


def examples_of(model: str) -> Path:
    """The pairs of a model that `dvc plots` shows."""
    return EXAMPLES / f"{model}.jpg"


def markdown(lines: list[list[str]], texts: int) -> str:
    """Rows of cells as a Markdown table, the first row as its head; all but the first `texts` columns are numbers."""
    marks = [":--" if place < texts else "--:" for place in range(len(lines[0]))]
    return "\n".join("| " + " | ".join(line) + " |" for line in (lines[0], marks, *lines[1:]))


def percent(share: float) -> str:
    """A share to be read aloud, without decimals; "under 1 %" and "over 99 %" where rounding would claim certainty."""
    if 0 < share < 0.01:
        return "under 1 %"
    if 0.99 < share < 1:
        return "over 99 %"
    return f"{100 * share:.0f} %"


def plural(number: int, one: str, more: str = "") -> str:
    """A number with its noun: 1 pair, 1,024 pairs."""
    return f"{number:,} {one if number == 1 else more or f'{one}s'}"
