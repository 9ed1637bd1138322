"""Which pairs are shown, in which order, with which thumbnails."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from support.classes import scores_of

from shoepair.data import contact_sheets, store
from shoepair.reports import examples
from shoepair.reports.examples import THUMBNAIL_EDGE, THUMBNAIL_GAP, ExampleGroup, ScoredPair
from shoepair.runtime import paths

SIDE = 32  # of a photo in the stores of these tests


def score_rows(*logits: float) -> pd.DataFrame:
    """Return `Scores` rows of whole students with these logits; missing logits are -5, the surest of all."""
    rows = scores_of(-(-len(logits) // 9), 1)
    return rows.assign(logit=np.array([*logits, *[-5.0] * (len(rows) - len(logits))], np.float32))


@settings(max_examples=10, deadline=None)
@given(st.lists(st.floats(-9, 9, width=32), min_size=1, max_size=27))
def test_every_pair_is_counted_in_one_group(logits: list[float]) -> None:
    rows = score_rows(*logits)
    groups = examples.list_example_groups(rows, 1.0)
    keys = [(group.is_correct, group.same) for group in groups]
    assert keys == [(False, True), (False, False), (True, True), (True, False)]
    students = rows["student"].nunique()
    for same, pairs in ((True, 3 * students), (False, 6 * students)):
        of_label = [group for group in groups if group.same == same]
        assert [group.label_count for group in of_label] == [pairs, pairs]
        assert sum(group.pair_count for group in of_label) == pairs
    for group in groups:
        limit = examples.MAX_CORRECT_SHOWN if group.is_correct else examples.MAX_WRONG_SHOWN
        assert len(group.examples) == min(group.pair_count, limit)
        assert all((pair.logit > 0) == (group.same == group.is_correct) for pair in group.examples)
        confidences = [abs(pair.logit) for pair in group.examples]
        assert confidences == sorted(confidences, reverse=True)


def test_pairs_of_equal_confidence_come_in_the_order_of_their_names() -> None:
    # left 1 to 3 with right 1 to 3; the first, fifth and ninth are the same pair
    rows = score_rows(-2.0, 1.0, 1.0, 1.0, -2.0, 3.0, 1.0, 1.0, 0.0)
    wrong_same, wrong_different, *_ = examples.list_example_groups(rows, 2.0)
    same, different = ([(pair.left, pair.right) for pair in g.examples] for g in (wrong_same, wrong_different))
    assert same == [(1, 1), (2, 2), (3, 3)], "a logit of 0 is different"
    assert different == [(2, 3), (1, 2), (1, 3), (2, 1), (3, 1), (3, 2)]
    assert wrong_same.examples[0].probability == pytest.approx(1 / (1 + np.e)), "at the model's temperature"
    assert [group.title for group in (wrong_same, wrong_different)] == [
        "same pairs called different",
        "different pairs called same",
    ]


def test_first_ten_suspects_are_shown_with_the_keys_of_their_photos() -> None:
    students = [f"u{number}" for number in range(12)]
    ranked = pd.DataFrame({"batch": "a", "student": students, "rank": range(1, 13)})
    ranked["reason"] = "pair 2: left and right do not match"
    split = pd.DataFrame({"batch": "a", "student": students[::-1], "row": range(12), "split": "train"})
    suspects = examples.list_top_suspects(ranked, split)
    assert [suspect["student"] for suspect in suspects] == students[:10]
    assert list(suspects[3]["pairs"][1]) == [("a", 8, 2, "left"), ("a", 8, 2, "right")]
    assert suspects[0]["suspicious"] == {2}, "the pair that is framed"
    assert all(len(suspect["pairs"]) == 3 for suspect in suspects)


def shade(batch: int, row: int, pair: int, side: int) -> int:
    """Return the unique grey of a photo in `plain_stores`."""
    return 100 * batch + 30 * row + 8 * pair + 4 * side


@pytest.fixture
def plain_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write stores of two batches with two students each; each photo has one grey."""
    monkeypatch.chdir(tmp_path)

    def photos(batch: int) -> Iterator[NDArray[np.uint8]]:
        for row in range(2):
            greys = [[shade(batch, row, pair, side) for side in range(2)] for pair in (1, 2, 3)]
            yield np.broadcast_to(np.array(greys, np.uint8)[..., None, None, None], (3, 2, SIDE, SIDE, 3)).copy()

    for batch, name in enumerate(("a", "b")):
        store.write_store(paths.store_path(name), ["u1", "u2"], photos(batch), SIDE)


@pytest.mark.usefixtures("plain_stores")
def test_thumbnails_are_of_the_given_photos() -> None:
    shades = {("b", 1, 3, "right"): (1, 1, 3, 1), ("a", 0, 1, "left"): (0, 0, 1, 0), ("a", 1, 2, "left"): (0, 1, 2, 0)}
    thumbnails = examples.load_thumbnails_by_shoe([*shades, *shades])
    assert thumbnails.keys() == shades.keys()
    for key, numbers in shades.items():
        assert thumbnails[key].size == (THUMBNAIL_EDGE, THUMBNAIL_EDGE)
        assert thumbnails[key].getextrema() == ((shade(*numbers),) * 2,) * 3
    assert examples.load_thumbnails_by_shoe([]) == {}


def test_two_thumbnails_stand_side_by_side_the_left_one_left() -> None:
    black, red = (Image.new("RGB", (THUMBNAIL_EDGE, THUMBNAIL_EDGE), colour) for colour in ("black", "red"))
    both = examples.join_side_by_side(black, red)
    assert both.size == (2 * THUMBNAIL_EDGE + THUMBNAIL_GAP, THUMBNAIL_EDGE)
    left, right = THUMBNAIL_EDGE, THUMBNAIL_EDGE + THUMBNAIL_GAP  # ends of the gap
    row = [both.getpixel((x, 5)) for x in (0, left - 1, left, right - 1, right, right + THUMBNAIL_EDGE - 1)]
    assert row == [(0, 0, 0)] * 2 + [(255, 255, 255)] * 2 + [(255, 0, 0)] * 2


def test_data_uri_is_the_jpeg_file_without_signs_that_end_words() -> None:
    noise = Image.effect_noise((THUMBNAIL_EDGE, THUMBNAIL_EDGE), 90).convert("RGB")
    head, coded = examples.encode_data_uri(noise).split(",")
    assert head == "data:image/jpeg;base64"
    assert coded.replace("%2B", "").replace("%2F", "").rstrip("=").isalnum()
    content = base64.b64decode(coded.replace("%2B", "+").replace("%2F", "/"))
    assert content == contact_sheets.jpeg_bytes(noise)
    with Image.open(io.BytesIO(content)) as again:
        assert (again.format, again.size) == ("JPEG", (THUMBNAIL_EDGE, THUMBNAIL_EDGE))


def test_sheet_has_a_row_per_error_type_and_one_for_correct_pairs() -> None:
    pair = ScoredPair("a", "u1", 0, 1, 2, same=False, logit=1.0, probability=0.7)
    empty = ExampleGroup(same=True, is_correct=False, pair_count=0, label_count=3, examples=[])
    wrong = ExampleGroup(same=False, is_correct=False, pair_count=2, label_count=6, examples=[pair, pair])
    right = [
        ExampleGroup(same, is_correct=True, pair_count=4, label_count=6, examples=[pair]) for same in (True, False)
    ]
    thumbnails = {key: Image.new("RGB", (THUMBNAIL_EDGE, THUMBNAIL_EDGE), "blue") for key in pair.shoe_keys}
    sheet = examples.draw_example_sheet_image("cnn", [("men's shoes", [empty, wrong, *right])], thumbnails)
    title, cell = examples.TITLE_HEIGHT, 2 * THUMBNAIL_EDGE + 3 * THUMBNAIL_GAP
    row = title + THUMBNAIL_EDGE + examples.CAPTION_HEIGHT
    assert sheet.size == (examples.PAIRS_PER_ROW * cell, title + 2 * row), "a row without pairs is only a title"

    def blue(column: int, line: int) -> bool:
        return sheet.getpixel((column * cell + 5, title + line * row + title + 5)) == (0, 0, 255)

    assert [blue(column, 0) for column in range(4)] == [True, True, False, False]
    assert [blue(column, 1) for column in range(4)] == [True, False, False, True], "both labels share a row"
