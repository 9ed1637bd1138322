"""Pairs of shoes to look at: what a model got wrong and right, and the students whose photos look mislabelled.

Only the students that are shown are read, one at a time, and only their thumbnails are kept.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from shoepair.data import naming
from shoepair.data.store import Store
from shoepair.evaluation import calibration, metrics
from shoepair.reports.format import EXAMPLES, SETS, examples_of
from shoepair.runtime import files, paths

EDGE, GAP = 112, 4  # of a thumbnail and between two, pixels
QUALITY = 80  # of JPEG
WRONG, RIGHT = 6, 3  # pairs shown of each kind
SUSPECTS = 10  # students shown
ACROSS = 6  # pairs in a row of a sheet
TITLE, CAPTION = 30, 24  # heights on a sheet

Shoe = tuple[str, int, int, str]  # batch, row in its store, pair, side


class Example(NamedTuple):
    """A pair and what a model said of it."""

    batch: str
    student: str
    row: int
    left: int
    right: int
    same: bool
    logit: float
    chance: float  # calibrated probability of "same"

    @property
    def shoes(self) -> tuple[Shoe, Shoe]:
        """The two photos."""
        return (self.batch, self.row, self.left, "left"), (self.batch, self.row, self.right, "right")


class Group(NamedTuple):
    """The pairs of one kind that a model judged in one way."""

    same: bool  # what they are
    right: bool  # whether the model saw it
    number: int
    of: int  # all pairs of this kind
    shown: list[Example]  # the most confident ones first

    @property
    def title(self) -> str:
        """What they are and what they were called."""
        kinds = ("different", "same")
        return f"{kinds[self.same]} pairs called {kinds[self.same == self.right]}"


def groups(rows: pd.DataFrame, heat: float) -> list[Group]:
    """What a model of temperature `heat` got wrong on a set, then what it got right, of both kinds of pairs.

    `rows` are `Scores` rows, all nine pairs of every student.
    """
    same, logits = metrics.labels_and_logits(rows)
    ranked = rows.assign(chance=calibration.probabilities(logits, heat), sure=-rows["logit"].abs())
    found = []
    for right, most in ((False, WRONG), (True, RIGHT)):
        for kind in (True, False):
            some = ranked[(same == kind) & (((logits > 0) == same) == right)]
            first = some.sort_values(["sure", "batch", "student", "left", "right"], kind="stable").head(most)
            shown = [Example(*each) for each in first[list(Example._fields)].itertuples(index=False)]
            found.append(Group(kind, right, len(some), int((same == kind).sum()), shown))
    return found


def suspected(suspects: pd.DataFrame, split: pd.DataFrame) -> list[dict[str, Any]]:
    """The first students of the ranking, each with the pairs of photos to look at, by their places in `split`."""
    rows = suspects.head(SUSPECTS).merge(split, on=["batch", "student"], how="left", validate="one_to_one")
    found: list[dict[Any, Any]] = rows.to_dict("records")
    for each in found:
        each["pairs"] = [
            tuple((each["batch"], each["row"], pair, side) for side in naming.SIDES) for pair in naming.PAIRS
        ]
    return found


def thumbnails(shoes: Iterable[Shoe]) -> dict[Shoe, Image.Image]:
    """The photos that are shown, small; each store is opened once, and each student read once.

    Raises:
        ShoepairError: a store is missing or damaged.
    """
    small: dict[Shoe, Image.Image] = {}
    for batch, students in groupby(sorted(set(shoes)), itemgetter(0)):
        with Store(paths.store(batch)) as store:
            for row, some in groupby(students, itemgetter(1)):
                six = store.read([row])[0]  # (3, 2, S, S, 3)
                for shoe in some:
                    photo = Image.fromarray(six[shoe[2] - 1, naming.SIDES.index(shoe[3])])
                    small[shoe] = photo.resize((EDGE, EDGE), Image.Resampling.LANCZOS)
    return small


def beside(left: Image.Image, right: Image.Image) -> Image.Image:
    """Two thumbnails as one picture."""
    both = Image.new("RGB", (2 * EDGE + GAP, EDGE), "white")
    both.paste(left, (0, 0))
    both.paste(right, (EDGE + GAP, 0))
    return both


def jpeg(picture: Image.Image) -> bytes:
    """A picture as a file; the same pixels give the same bytes."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=QUALITY, optimize=True)
    return file.getvalue()


def uri(picture: Image.Image) -> str:
    """A picture within a page.

    The signs + and / are written as %2B and %2F: with them, chance letters could look like the word `u7`, and
    `shoepair forget --purge`, which asks every text whether it names a student, would find one who is not there.
    """
    text = base64.b64encode(jpeg(picture)).decode()
    return f"data:image/jpeg;base64,{text.replace('+', '%2B').replace('/', '%2F')}"


def write_sheets(models: dict[str, list[tuple[str, list[Group]]]], small: dict[Shoe, Image.Image]) -> None:
    """Write for `dvc plots` a picture of every model's groups by set; those of models that are no more are deleted."""
    for path in set(EXAMPLES.glob("*.jpg")) - set(map(examples_of, models)):
        path.unlink()
    for model, parts in models.items():
        with files.replacing(examples_of(model)) as part:
            part.write_bytes(jpeg(sheet(model, [(SETS[name], some) for name, some in parts], small)))


def sheet(model: str, parts: list[tuple[str, list[Group]]], small: dict[Shoe, Image.Image]) -> Image.Image:
    """One picture of a model's groups, of each set in turn: a row for each kind of mistake, one for what is right."""
    cell = 2 * EDGE + 3 * GAP
    rows = [(name, row) for name, some in parts for row in _rows(some)]
    heights = [TITLE + (EDGE + CAPTION if any(group.shown for group in some) else 0) for _, some in rows]
    picture = Image.new("RGB", (ACROSS * cell, sum(heights)), "white")
    draw, large, font = ImageDraw.Draw(picture), ImageFont.load_default(16), ImageFont.load_default(14)
    for place, (name, some) in enumerate(rows):
        top = sum(heights[:place])
        for column, group in enumerate(some):
            start = column * RIGHT * cell
            title = f"{model}, {name}: {group.number} of {group.of} {group.title}"
            draw.text((start + GAP, top + 8), title, "black", large)
            for at, each in enumerate(group.shown):
                picture.paste(beside(*(small[shoe] for shoe in each.shoes)), (start + at * cell, top + TITLE))
                text = f"{each.student}, left {each.left}, right {each.right}: {each.chance:.0%} same"
                draw.text((start + at * cell + GAP, top + TITLE + EDGE + 3), text, "black", font)
    return picture


def _rows(some: list[Group]) -> list[list[Group]]:
    return [*([group] for group in some if not group.right), [group for group in some if group.right]]
