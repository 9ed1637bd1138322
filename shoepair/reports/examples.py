"""Example pairs: what a model got wrong and right, and the students with the likeliest label issues.

Reads only the shown students, one at a time, and keeps only their thumbnails.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from shoepair.data import naming
from shoepair.data.contact_sheets import jpeg_bytes
from shoepair.data.store import Store
from shoepair.evaluation import calibration, metrics
from shoepair.reports.formatting import EXAMPLES_FOLDER, SPLIT_TITLES, examples_path
from shoepair.runtime import atomic_files, paths

LARGE_EDGE, THUMBNAIL_EDGE, THUMBNAIL_GAP = (
    224,
    112,
    4,
)  # edges of a large photo and of a thumbnail, gap between two; pixels
MAX_WRONG_SHOWN, MAX_CORRECT_SHOWN = 6, 3  # pairs shown per label
MAX_WORST_SHOWN = 6  # mistakes of the best model, shown large
MAX_SUSPECTS_SHOWN = 10  # students shown
PAIRS_PER_ROW = 6  # of an example image
TITLE_HEIGHT, CAPTION_HEIGHT = 30, 24  # in an example image, pixels

PAIR_IN_REASON = re.compile(r"\b[1-3]\b")  # of a suspect: the pairs that its reason names

ShoeKey = tuple[str, int, int, str]  # batch, row in its store, pair, side


class ScoredPair(NamedTuple):
    """A pair of shoes with a model's logit and probability."""

    batch: str
    student: str
    row: int  # in the store
    left: int  # pair of the left shoe
    right: int  # pair of the right shoe
    same: bool
    logit: float
    probability: float  # calibrated probability of "same"

    @property
    def shoe_keys(self) -> tuple[ShoeKey, ShoeKey]:
        """The store keys of the left and the right photo."""
        return (self.batch, self.row, self.left, "left"), (self.batch, self.row, self.right, "right")


class ExampleGroup(NamedTuple):
    """The pairs of one label that a model got right, or wrong."""

    same: bool  # the label
    is_correct: bool  # whether the model agrees
    pair_count: int
    label_count: int  # all pairs of this label
    examples: list[ScoredPair]  # the most confident ones first

    @property
    def title(self) -> str:
        """The group's heading, such as "same pairs called different"."""
        labels = ("different", "same")
        return f"{labels[self.same]} pairs called {labels[self.same == self.is_correct]}"


def list_example_groups(scores: pd.DataFrame, temperature: float) -> list[ExampleGroup]:
    """Group a model's pairs by label and correctness, wrong ones first, each with its most confident examples.

    `scores` are `Scores` rows of one model and split, all nine pairs of every student.
    """
    same, logits = metrics.labels_and_logits(scores)
    ranked = scores.assign(
        probability=calibration.calibrated_probabilities(logits, temperature), sure=-scores["logit"].abs()
    )
    groups = []
    for is_correct, count in ((False, MAX_WRONG_SHOWN), (True, MAX_CORRECT_SHOWN)):
        for label in (True, False):
            rows = ranked[(same == label) & (((logits > 0) == same) == is_correct)]
            first = rows.sort_values(["sure", "batch", "student", "left", "right"], kind="stable").head(count)
            pairs = [ScoredPair(*row) for row in first[list(ScoredPair._fields)].itertuples(index=False)]
            groups.append(ExampleGroup(label, is_correct, len(rows), int((same == label).sum()), pairs))
    return groups


def list_worst_mistakes(groups_by_split: list[tuple[str, list[ExampleGroup]]]) -> list[tuple[str, ScoredPair]]:
    """Return the most confident mistakes among a model's examples with their splits, whatever their labels."""
    wrong = [
        (split, pair)
        for split, groups in groups_by_split
        for group in groups
        if not group.is_correct
        for pair in group.examples
    ]
    return sorted(wrong, key=lambda item: (-abs(item[1].logit), item[1][:5]))[:MAX_WORST_SHOWN]


def list_top_suspects(suspects: pd.DataFrame, split: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the first suspects with the keys of their photos, as dicts; `split` has their store rows."""
    rows = suspects.head(MAX_SUSPECTS_SHOWN).merge(split, on=["batch", "student"], how="left", validate="one_to_one")
    students: list[dict[Any, Any]] = rows.to_dict("records")
    for student in students:
        batch, row = student["batch"], student["row"]
        student["suspicious"] = {int(pair) for pair in PAIR_IN_REASON.findall(student["reason"])}
        student["pairs"] = [tuple((batch, row, pair, side) for side in naming.SIDES) for pair in naming.PAIR_NUMBERS]
    return students


def load_thumbnails_by_shoe(shoe_keys: Iterable[ShoeKey]) -> dict[ShoeKey, Image.Image]:
    """Load the photos from their stores as thumbnails, by key; raises as `load_photos_by_shoe`."""
    return {key: resize_photo(photo, THUMBNAIL_EDGE) for key, photo in load_photos_by_shoe(shoe_keys).items()}


def load_photos_by_shoe(shoe_keys: Iterable[ShoeKey]) -> dict[ShoeKey, Image.Image]:
    """Load the photos from their stores, at most `LARGE_EDGE` wide, by key; opens each store, reads each student once.

    Raises:
        ShoepairError: a store is missing or damaged.
    """
    shown: dict[ShoeKey, Image.Image] = {}
    for batch, batch_keys in groupby(sorted(set(shoe_keys)), itemgetter(0)):
        with Store(paths.store_path(batch)) as store:
            for row, keys in groupby(batch_keys, itemgetter(1)):
                photos = store.read_students([row])[0]  # (3, 2, S, S, 3)
                for key in keys:
                    photo = Image.fromarray(photos[key[2] - 1, naming.SIDES.index(key[3])])
                    shown[key] = resize_photo(photo, min(photo.width, LARGE_EDGE))
    return shown


def resize_photo(photo: Image.Image, edge: int) -> Image.Image:
    """Scale a square photo to an edge in pixels."""
    return photo.resize((edge, edge), Image.Resampling.LANCZOS)


def join_side_by_side(left: Image.Image, right: Image.Image) -> Image.Image:
    """Join two photos of the same size side by side into one image."""
    both = Image.new("RGB", (2 * left.width + THUMBNAIL_GAP, left.height), "white")
    both.paste(left, (0, 0))
    both.paste(right, (left.width + THUMBNAIL_GAP, 0))
    return both


def encode_data_uri(image: Image.Image) -> str:
    """Encode an image as a data URI for HTML.

    Writes + and / as %2B and %2F: next to these signs random letters could look like the word `u7`, and
    `shoepair forget --purge`, which searches all texts for students, would report a wrong match.
    """
    text = base64.b64encode(jpeg_bytes(image)).decode()
    return f"data:image/jpeg;base64,{text.replace('+', '%2B').replace('/', '%2F')}"


def write_example_sheets(
    groups_by_model: dict[str, list[tuple[str, list[ExampleGroup]]]], thumbnails: dict[ShoeKey, Image.Image]
) -> None:
    """Write one JPEG of example pairs per model for `dvc plots`; delete those of models that no longer exist."""
    for path in set(EXAMPLES_FOLDER.glob("*.jpg")) - set(map(examples_path, groups_by_model)):
        path.unlink()
    for model, splits in groups_by_model.items():
        groups_by_split = [(SPLIT_TITLES[split], groups) for split, groups in splits]
        with atomic_files.atomic_write(examples_path(model)) as path:
            path.write_bytes(jpeg_bytes(draw_example_sheet_image(model, groups_by_split, thumbnails)))


def draw_example_sheet_image(
    model: str, groups_by_split: list[tuple[str, list[ExampleGroup]]], thumbnails: dict[ShoeKey, Image.Image]
) -> Image.Image:
    """Render a model's example pairs as one image, split by split: a row per error type, one for correct pairs."""
    cell = 2 * THUMBNAIL_EDGE + 3 * THUMBNAIL_GAP
    rows = [(split, row) for split, groups in groups_by_split for row in _sheet_rows(groups)]
    heights = [
        TITLE_HEIGHT + (THUMBNAIL_EDGE + CAPTION_HEIGHT if any(group.examples for group in row) else 0)
        for _, row in rows
    ]
    sheet = Image.new("RGB", (PAIRS_PER_ROW * cell, sum(heights)), "white")
    draw, large, font = ImageDraw.Draw(sheet), ImageFont.load_default(16), ImageFont.load_default(14)
    for index, (split, row) in enumerate(rows):
        top = sum(heights[:index])
        for column, group in enumerate(row):
            start = column * MAX_CORRECT_SHOWN * cell
            title = f"{model}, {split}: {group.pair_count} of {group.label_count} {group.title}"
            draw.text((start + THUMBNAIL_GAP, top + 8), title, "black", large)
            for x, pair in enumerate(group.examples):
                left, y = start + x * cell, top + TITLE_HEIGHT
                sheet.paste(join_side_by_side(*(thumbnails[key] for key in pair.shoe_keys)), (left, y))
                text = f"{pair.student}, left {pair.left}, right {pair.right}: {pair.probability:.0%} same"
                draw.text((left + THUMBNAIL_GAP, y + THUMBNAIL_EDGE + 3), text, "black", font)
    return sheet


def _sheet_rows(groups: list[ExampleGroup]) -> list[list[ExampleGroup]]:
    return [*([group] for group in groups if not group.is_correct), [group for group in groups if group.is_correct]]
