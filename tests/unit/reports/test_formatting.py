"""Names of numbers, splits and files of the report."""

from __future__ import annotations

from pathlib import Path

from shoepair.data.naming import SPLITS
from shoepair.evaluation import metrics
from shoepair.reports import formatting


def test_every_split_and_both_tests_together_have_a_unique_title() -> None:
    assert set(formatting.SPLIT_TITLES) == {*SPLITS, metrics.BOTH_TESTS}
    assert len(set(formatting.SPLIT_TITLES.values())) == len(formatting.SPLIT_TITLES)


def test_examples_of_a_model_are_in_the_examples_folder() -> None:
    assert formatting.examples_path("cnn") == Path("plots/examples/cnn.jpg")
    assert formatting.examples_path("cnn").parent == formatting.EXAMPLES_FOLDER
