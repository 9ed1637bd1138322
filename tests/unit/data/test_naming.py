"""The words of a class, and whom a name belongs to."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoepair.data import naming

NAMES = st.builds(
    "u{}_{}_{}_{}.{}".format,
    st.from_regex(r"[0-9]{1,10}", fullmatch=True),
    st.sampled_from(naming.PAIRS),
    st.sampled_from(naming.SIDES),
    st.sampled_from(naming.KINDS),
    st.sampled_from(["jpg", "png", "webp", "JPG"]),
)


@given(NAMES, st.sampled_from(["", "._", "copy of ", "x-", "7_", "x", "men", "7"]), st.booleans())
@settings(max_examples=40, deadline=None)
def test_owner_of_a_name_is_its_student_whatever_stands_around_it(name: str, before: str, large: bool) -> None:
    shown = before + (name.upper() if large else name)
    owner = naming.owner(shown)
    # A letter or digit in front makes another word of it.
    assert owner == ("" if before[-1:].isalnum() else naming.parse(name).student)


def test_six_shoes_of_a_student_stand_in_store_order() -> None:
    assert naming.SHOES == ((1, "left"), (1, "right"), (2, "left"), (2, "right"), (3, "left"), (3, "right"))
    assert naming.SPLITS == ("train", "valid", "test_m", "test_w")
    assert set(naming.DEALT) | set(naming.SETS) == set(naming.SPLITS)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("u052_4_up_x.png", "pair 4, expected 1-3"),
        ("u052_3_up_x.png", "side 'up', expected left or right"),
        ("U052_3_left_x.png", "kind 'x', expected m or w"),
        ("U052_3_left_w.png", "student 'U052', expected a small u and digits"),
        ("u052_03_left_w.png", "pair 03, expected 1-3"),
    ],
)
def test_first_part_that_is_wrong_is_told(name: str, reason: str) -> None:
    with pytest.raises(naming.PhotoError, match=f"^{re.escape(reason)}$"):
        naming.parse(name)


def test_name_in_capitals_is_a_name_only_by_its_extension() -> None:
    assert naming.parse("u007_2_right_m.JPEG") == naming.PhotoName("u007", 2, "right", "m")
    for name in ("u007_2_RIGHT_m.jpg", "u007_2_right_M.jpg", "u007_2_right_m", "u_2_right_m.jpg"):
        with pytest.raises(naming.PhotoError, match="expected"):
            naming.parse(name)
