"""How numbers, sets and files of the report are named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoepair.data.naming import SPLITS
from shoepair.evaluation import metrics
from shoepair.reports import format as names


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
    assert names.plural(number, *words) == text


@settings(max_examples=20, deadline=None)
@given(number=st.integers(0, 10**9))
def test_number_can_be_read_back_from_its_text(number: int) -> None:
    assert int(names.plural(number, "photo").split()[0].replace(",", "")) == number


def test_every_split_and_both_tests_together_have_a_title_of_their_own() -> None:
    assert set(names.SETS) == {*SPLITS, metrics.TEST}
    assert len(set(names.SETS.values())) == len(names.SETS)


def test_sheet_of_a_model_lies_in_the_folder_that_is_cleared_of_old_ones() -> None:
    assert names.examples_of("cnn") == Path("plots/examples/cnn.jpg")
    assert names.examples_of("cnn").parent == names.EXAMPLES
