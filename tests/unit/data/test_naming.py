"""Photo names: parsing, and the student id in a name."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoepair.data import naming

NAMES = st.builds(
    "u{}_{}_{}_{}.{}".format,
    st.from_regex(r"[0-9]{1,10}", fullmatch=True),
    st.sampled_from(naming.PAIR_NUMBERS),
    st.sampled_from(naming.SIDES),
    st.sampled_from(naming.CATEGORIES),
    st.sampled_from(["jpg", "png", "webp", "JPG"]),
)


@given(NAMES, st.sampled_from(["", "._", "copy of ", "x-", "7_", "x", "men", "7"]), st.booleans())
@settings(max_examples=40, deadline=None)
def test_student_id_is_extracted_whatever_is_in_front_of_the_name(name: str, before: str, upper: bool) -> None:
    text = before + (name.upper() if upper else name)
    # A letter or digit in front makes it another word.
    expected = "" if before[-1:].isalnum() else naming.parse_photo_name(name).student
    assert naming.extract_student_id(text) == expected


def test_shoe_keys_are_in_store_order() -> None:
    assert naming.SHOE_KEYS == ((1, "left"), (1, "right"), (2, "left"), (2, "right"), (3, "left"), (3, "right"))
    assert naming.SPLITS == ("train", "valid", "test_m", "test_w")
    assert set(naming.NON_TEST_SPLITS) | set(naming.SUBSETS) == set(naming.SPLITS)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("u052_4_up_x.png", "pair 4, expected 1-3"),
        ("u052_3_up_x.png", "side 'up', expected left or right"),
        ("U052_3_left_x.png", "category 'x', expected m or w"),
        ("U052_3_left_w.png", "student 'U052', expected a small u and digits"),
        ("u052_03_left_w.png", "pair 03, expected 1-3"),
    ],
)
def test_first_part_that_is_wrong_is_reported(name: str, reason: str) -> None:
    with pytest.raises(naming.PhotoError, match=f"^{re.escape(reason)}$"):
        naming.parse_photo_name(name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("u052_3_left_w (1).png", "second"),
        ("u052_3_left_w - Copy.png", "second"),
        ("Copy of u052_3_left_w.png", "second"),
        ("u052_3_left_w.sync-conflict-20240101-120000-ABCDEFG.png", "second"),
        ("u052_3_left_w (Anna's conflicted copy 2024-01-01).png", "second"),
        ("u052_3_left_w_conflict-20240101-120000.png", "second"),
        ("u052_3_left_w-DESKTOP-AB12.png", "second"),
        ("u052_3_left_w .png", "expected u052_3_left_w.png: without a blank"),
        (" u052_3_left_w.png", "expected u052_3_left_w.png: without a blank"),
        (".u052_3_left_w.png.icloud", "placeholder"),
        ("u052_3_left_w.png.nextcloud", "placeholder"),
        ("u052_3_left_w.png.crdownload", "placeholder"),
        ("IMG_1.png", "expected like u052_3_left_w.png"),
    ],
)
def test_second_version_and_half_a_photo_are_refused_with_what_to_do(name: str, reason: str) -> None:
    texts = {
        "second": "expected u052_3_left_w.png: if it is a second version, keep the right one under this name",
        "placeholder": "expected the photo itself: this is a placeholder or half a download, download it as a whole",
    }
    with pytest.raises(naming.PhotoError, match=f"^not a photo's name, {re.escape(texts.get(reason, reason))}$"):
        naming.parse_photo_name(name)


def test_leading_zeros_make_no_other_student() -> None:
    assert {naming.strip_leading_zeros(student) for student in ("u2", "u02", "u002")} == {"u2"}
    assert {naming.strip_leading_zeros(student) for student in ("u0", "u000")} == {"u0"}
    assert naming.strip_leading_zeros("u020") == "u20"


def test_name_in_capitals_is_a_name_only_by_its_extension() -> None:
    assert naming.parse_photo_name("u007_2_right_m.JPEG") == naming.PhotoName("u007", 2, "right", "m")
    for name in ("u007_2_RIGHT_m.jpg", "u007_2_right_M.jpg", "u007_2_right_m", "u_2_right_m.jpg"):
        with pytest.raises(naming.PhotoError, match="expected"):
            naming.parse_photo_name(name)
