"""Names of numbers, splits and files of the report."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoepair.data.naming import SPLITS
from shoepair.evaluation import metrics
from shoepair.reports import formatting


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
    assert formatting.count_with_noun(number, *words) == text


@settings(max_examples=20, deadline=None)
@given(number=st.integers(0, 10**9))
def test_number_can_be_read_back_from_its_text(number: int) -> None:
    assert int(formatting.count_with_noun(number, "photo").split()[0].replace(",", "")) == number


def test_every_split_and_both_tests_together_have_a_unique_title() -> None:
    assert set(formatting.SPLIT_TITLES) == {*SPLITS, metrics.BOTH_TESTS}
    assert len(set(formatting.SPLIT_TITLES.values())) == len(formatting.SPLIT_TITLES)


def test_examples_of_a_model_are_in_the_examples_folder() -> None:
    assert formatting.examples_path("cnn") == Path("plots/examples/cnn.jpg")
    assert formatting.examples_path("cnn").parent == formatting.EXAMPLES_FOLDER
