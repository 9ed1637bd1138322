"""Counts in sentences."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoepair.data import wording


@pytest.mark.parametrize(
    ("number", "words", "text"),
    [
        (0, ("pair",), "0 pairs"),
        (1, ("pair",), "1 pair"),
        (1024, ("pair",), "1,024 pairs"),
        (1, ("batch", "batches"), "1 batch"),
        (2, ("batch", "batches"), "2 batches"),
    ],
)
def test_noun_agrees_with_its_number(number: int, words: tuple[str, ...], text: str) -> None:
    assert wording.count_with_noun(number, *words) == text


@settings(max_examples=20, deadline=None)
@given(number=st.integers(0, 10**9))
def test_number_can_be_read_back_from_its_text(number: int) -> None:
    assert int(wording.count_with_noun(number, "photo").split()[0].replace(",", "")) == number
