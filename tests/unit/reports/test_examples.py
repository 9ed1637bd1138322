"""Which pairs are shown, in which order, and what their pictures are of."""

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

from shoepair.data import store
from shoepair.reports import examples
from shoepair.reports.examples import EDGE, GAP, Example, Group
from shoepair.runtime import paths

SIDE = 32  # of a photo in the stores of these tests


def scored(*logits: float) -> pd.DataFrame:
    """The nine pairs of as many students as it takes; those without a score get one of -5, the surest of all."""
    rows = scores_of(-(-len(logits) // 9), 1)
    return rows.assign(logit=np.array([*logits, *[-5.0] * (len(rows) - len(logits))], np.float32))


@settings(max_examples=10, deadline=None)
@given(st.lists(st.floats(-9, 9, width=32), min_size=1, max_size=27))
def test_every_pair_is_counted_in_one_group(logits: list[float]) -> None:
    rows = scored(*logits)
    found = examples.groups(rows, 1.0)
    assert [(group.right, group.same) for group in found] == [
        (False, True),
        (False, False),
        (True, True),
        (True, False),
    ]
    students = rows["student"].nunique()
    for same, pairs in ((True, 3 * students), (False, 6 * students)):
        of_kind = [group for group in found if group.same == same]
        assert [group.of for group in of_kind] == [pairs, pairs]
        assert sum(group.number for group in of_kind) == pairs
    for group, most in zip(found, (examples.WRONG, examples.WRONG, examples.RIGHT, examples.RIGHT), strict=True):
        assert len(group.shown) == min(group.number, most)
        assert all((each.logit > 0) == (group.same == group.right) for each in group.shown)
        assert [abs(each.logit) for each in group.shown] == sorted(
            (abs(each.logit) for each in group.shown), reverse=True
        )


def test_pairs_of_equal_confidence_come_in_the_order_of_their_names() -> None:
    # left 1 to 3 with right 1 to 3; the first, fifth and ninth are the same pair
    wrong_same, wrong_different, *_ = examples.groups(scored(-2.0, 1.0, 1.0, 1.0, -2.0, 3.0, 1.0, 1.0, 0.0), 2.0)
    assert [(each.left, each.right) for each in wrong_same.shown] == [(1, 1), (2, 2), (3, 3)], (
        "a score of 0 is different"
    )
    assert [(each.left, each.right) for each in wrong_different.shown] == [
        (2, 3),
        (1, 2),
        (1, 3),
        (2, 1),
        (3, 1),
        (3, 2),
    ]
    assert wrong_same.shown[0].chance == pytest.approx(1 / (1 + np.e)), "at the model's temperature"
    assert [group.title for group in (wrong_same, wrong_different)] == [
        "same pairs called different",
        "different pairs called same",
    ]


def test_first_ten_suspects_are_shown_with_the_place_of_their_photos() -> None:
    students = [f"u{number}" for number in range(12)]
    ranked = pd.DataFrame({"batch": "a", "student": students, "rank": range(1, 13)})
    split = pd.DataFrame({"batch": "a", "student": students[::-1], "row": range(12), "split": "train"})
    found = examples.suspected(ranked, split)
    assert [each["student"] for each in found] == students[:10]
    assert list(found[3]["pairs"][1]) == [("a", 8, 2, "left"), ("a", 8, 2, "right")]
    assert all(len(each["pairs"]) == 3 for each in found)


def shade(batch: int, row: int, pair: int, side: int) -> int:
    """The grey of a photo in `plain_stores`, no other's."""
    return 100 * batch + 30 * row + 8 * pair + 4 * side


@pytest.fixture
def plain_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores of two batches with two students each, whose photos are each of one grey."""
    monkeypatch.chdir(tmp_path)

    def photos(batch: int) -> Iterator[NDArray[np.uint8]]:
        for row in range(2):
            greys = [[shade(batch, row, pair, side) for side in range(2)] for pair in (1, 2, 3)]
            yield np.broadcast_to(np.array(greys, np.uint8)[..., None, None, None], (3, 2, SIDE, SIDE, 3)).copy()

    for batch, name in enumerate(("a", "b")):
        store.write(paths.store(name), ["u1", "u2"], photos(batch), SIDE)


@pytest.mark.usefixtures("plain_stores")
def test_thumbnail_is_of_the_photo_that_was_asked_for() -> None:
    wanted = {("b", 1, 3, "right"): (1, 1, 3, 1), ("a", 0, 1, "left"): (0, 0, 1, 0), ("a", 1, 2, "left"): (0, 1, 2, 0)}
    small = examples.thumbnails([*wanted, *wanted])
    assert small.keys() == wanted.keys()
    for shoe, place in wanted.items():
        assert small[shoe].size == (EDGE, EDGE)
        assert small[shoe].getextrema() == ((shade(*place),) * 2,) * 3
    assert examples.thumbnails([]) == {}


def test_two_thumbnails_stand_side_by_side_the_left_one_left() -> None:
    black, red = (Image.new("RGB", (EDGE, EDGE), colour) for colour in ("black", "red"))
    both = examples.beside(black, red)
    assert both.size == (2 * EDGE + GAP, EDGE)
    row = [both.getpixel((x, 5)) for x in (0, EDGE - 1, EDGE, EDGE + GAP - 1, EDGE + GAP, 2 * EDGE + GAP - 1)]
    assert row == [(0, 0, 0)] * 2 + [(255, 255, 255)] * 2 + [(255, 0, 0)] * 2


def test_picture_within_a_page_is_the_jpeg_file_and_has_no_sign_that_a_word_could_end_at() -> None:
    noise = Image.effect_noise((EDGE, EDGE), 90).convert("RGB")
    head, coded = examples.uri(noise).split(",")
    assert head == "data:image/jpeg;base64"
    assert coded.replace("%2B", "").replace("%2F", "").rstrip("=").isalnum()
    content = base64.b64decode(coded.replace("%2B", "+").replace("%2F", "/"))
    assert content == examples.jpeg(noise)
    with Image.open(io.BytesIO(content)) as again:
        assert (again.format, again.size) == ("JPEG", (EDGE, EDGE))


def test_sheet_has_a_row_for_each_mistake_and_one_for_all_that_is_right() -> None:
    shoe = Example("a", "u1", 0, 1, 2, same=False, logit=1.0, chance=0.7)
    nothing = Group(same=True, right=False, number=0, of=3, shown=[])
    wrong = Group(same=False, right=False, number=2, of=6, shown=[shoe, shoe])
    right = [Group(same, right=True, number=4, of=6, shown=[shoe]) for same in (True, False)]
    small = {each: Image.new("RGB", (EDGE, EDGE), "blue") for each in shoe.shoes}
    sheet = examples.sheet("cnn", [("men's shoes", [nothing, wrong, *right])], small)
    cell, row = 2 * EDGE + 3 * GAP, examples.TITLE + EDGE + examples.CAPTION
    assert sheet.size == (examples.ACROSS * cell, examples.TITLE + 2 * row), "no pictures, no room for them"

    def blue(column: int, line: int) -> bool:
        return sheet.getpixel((column * cell + 5, examples.TITLE + line * row + examples.TITLE + 5)) == (0, 0, 255)

    assert [blue(column, 0) for column in range(4)] == [True, True, False, False]
    assert [blue(column, 1) for column in range(4)] == [True, False, False, True], "the two kinds share a row"
