"""The loss, the checks of a user's numbers and the tables of the worked analysis."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from shoepair.reports.analysis import numerics
from shoepair.runtime.errors import ShoepairError


@settings(max_examples=50, deadline=None)
@given(logit=st.floats(-30, 30), target=st.floats(0, 1))
def test_loss_is_that_of_the_logarithms_and_its_slope_is_the_error(logit: float, target: float) -> None:
    probability = numerics.sigmoid(logit)
    assert numerics.sigmoid(-logit) == pytest.approx(1 - probability, abs=1e-12)
    expected = -target * math.log(probability) - (1 - target) * math.log(numerics.sigmoid(-logit))
    assert numerics.cross_entropy(logit, target) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    step = 1e-4
    slope = (numerics.cross_entropy(logit + step, target) - numerics.cross_entropy(logit - step, target)) / (2 * step)
    assert slope == pytest.approx(probability - target, abs=1e-6)


def test_far_logits_neither_overflow_nor_lose_their_loss() -> None:
    assert [numerics.sigmoid(logit) for logit in (-1e5, 1e5)] == [0.0, 1.0]
    assert numerics.cross_entropy(-1e5, 1.0) == 1e5
    assert numerics.cross_entropy(1e5, 1.0) == 0.0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-0.0, "0"),
        (1 / 3, "0.3333333"),
        (1e-12, "1e-12"),
        ([[1, 2.5], [0, -1]], "[[1, 2.5], [0, -1]]"),
        (np.zeros((2, 0)), "[[], []]"),
    ],
)
def test_numbers_are_shown_short(value: ArrayLike, text: str) -> None:
    assert numerics.format_array(value) == text


def test_dot_product_is_shown_with_all_terms_and_adds_up() -> None:
    text = numerics.format_dot_product(np.array([-1.0, 2.0]), np.array([1.0, -3.5]), 4.0)
    assert text == "(-1)·1 + 2·(-3.5) + 4"
    assert (
        sum(math.prod(map(float, term.replace("(", "").replace(")", "").split("·"))) for term in text.split(" + "))
        == -4
    )


def test_table_has_columns_of_words_left_and_of_numbers_right() -> None:
    text = numerics.aligned_markdown_table(
        ["layer", "count", "share"], [["conv 1", "1,234", "5.5 %"], ["x", "-7", "100 %"]]
    )
    assert text.splitlines() == [
        "| layer  | count | share |",
        "| ------ | ----: | ----: |",
        "| conv 1 | 1,234 | 5.5 % |",
        "| x      |    -7 | 100 % |",
    ]


def test_derivatives_are_shown_as_multiples_of_that_by_the_logit() -> None:
    lines = numerics.backward_pass_markdown(-0.25, {"dw": ("dz · h", np.array([0.5, -1.0]))}).splitlines()
    assert [cell.strip() for cell in lines[2].split("|")[1:-1]] == ["dz", "p - t", "1", "-0.25"]
    assert [cell.strip() for cell in lines[3].split("|")[1:-1]] == ["dw", "dz · h", "[-2, 4]", "[0.5, -1]"]
    assert numerics.backward_pass_markdown(0.0, {"dw": ("dz · h", 0.0)}).splitlines()[3].split("|")[3].strip() == "-"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[1.0], [2.0, 3.0]], r"w: not an array of numbers \(rows of different lengths, or words\)"),
        (["one"], "w: not an array of numbers"),
        ([], "w: empty, expected at least one number"),
        ([[1.0, 2.0], [3.0, math.nan]], "w, value 2, 2: nan, expected a finite number"),
        (-math.inf, "w: -inf, expected a finite number"),
    ],
)
def test_value_that_is_not_finite_is_named_with_its_index(values: ArrayLike, message: str) -> None:
    with pytest.raises(ShoepairError, match=f"^{message}"):
        numerics.to_finite_array("w", values)


def test_results_beyond_float64_and_targets_beyond_0_to_1_are_errors() -> None:
    numerics.raise_if_overflow({"h": [1e308], "y": 0})
    with pytest.raises(ShoepairError, match=r"y: beyond the range of float64 \(1\.8e308\)\nuse smaller numbers"):
        numerics.raise_if_overflow({"h": [1.0], "y": [1.0, math.inf]})
    assert [numerics.to_target_probability(value) for value in (0, 0.5, 1)] == [0.0, 0.5, 1.0]
    for value in (-0.01, 1.01, math.nan):
        with pytest.raises(ShoepairError, match=r"target: .*, expected 0 \(different\) or 1 \(same\)"):
            numerics.to_target_probability(value)
