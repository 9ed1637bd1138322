"""The loss, a user's numbers and the tables that the chapters of the worked analysis share."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from shoepair.reports.analysis import arrays
from shoepair.runtime.errors import ShoepairError


@settings(max_examples=50, deadline=None)
@given(logit=st.floats(-30, 30), wanted=st.floats(0, 1))
def test_loss_is_that_of_the_logarithms_and_its_slope_is_the_error(logit: float, wanted: float) -> None:
    chance = arrays.sigmoid(logit)
    assert arrays.sigmoid(-logit) == pytest.approx(1 - chance, abs=1e-12)
    plain = -wanted * math.log(chance) - (1 - wanted) * math.log(arrays.sigmoid(-logit))
    assert arrays.cross_entropy(logit, wanted) == pytest.approx(plain, rel=1e-9, abs=1e-12)
    step = 1e-4
    slope = (arrays.cross_entropy(logit + step, wanted) - arrays.cross_entropy(logit - step, wanted)) / (2 * step)
    assert slope == pytest.approx(chance - wanted, abs=1e-6)


def test_far_logits_neither_overflow_nor_lose_their_loss() -> None:
    assert [arrays.sigmoid(logit) for logit in (-1e5, 1e5)] == [0.0, 1.0]
    assert arrays.cross_entropy(-1e5, 1.0) == 1e5
    assert arrays.cross_entropy(1e5, 1.0) == 0.0


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
    assert arrays.show(value) == text


def test_scalar_product_is_shown_with_all_terms_and_adds_up() -> None:
    shown = arrays.products(np.array([-1.0, 2.0]), np.array([1.0, -3.5]), 4.0)
    assert shown == "(-1)·1 + 2·(-3.5) + 4"
    assert (
        sum(math.prod(map(float, term.replace("(", "").replace(")", "").split("·"))) for term in shown.split(" + "))
        == -4
    )


def test_table_has_columns_of_words_left_and_of_numbers_right() -> None:
    text = arrays.table(["layer", "count", "share"], [["conv 1", "1,234", "5.5 %"], ["x", "-7", "100 %"]])
    assert text.splitlines() == [
        "| layer  | count | share |",
        "| ------ | ----: | ----: |",
        "| conv 1 | 1,234 | 5.5 % |",
        "| x      |    -7 | 100 % |",
    ]


def test_derivatives_are_shown_as_multiples_of_that_by_the_logit() -> None:
    lines = arrays.derivatives(-0.25, {"dw": ("dz · h", np.array([0.5, -1.0]))}).splitlines()
    assert [cell.strip() for cell in lines[2].split("|")[1:-1]] == ["dz", "p - t", "1", "-0.25"]
    assert [cell.strip() for cell in lines[3].split("|")[1:-1]] == ["dw", "dz · h", "[-2, 4]", "[0.5, -1]"]
    assert arrays.derivatives(0.0, {"dw": ("dz · h", 0.0)}).splitlines()[3].split("|")[3].strip() == "-"


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
def test_what_is_no_finite_number_is_named_with_its_place(values: ArrayLike, message: str) -> None:
    with pytest.raises(ShoepairError, match=f"^{message}"):
        arrays.finite("w", values)


def test_results_beyond_float64_and_targets_beyond_chances_are_refused() -> None:
    arrays.refuse_overflow({"h": [1e308], "y": 0})
    with pytest.raises(ShoepairError, match=r"y: beyond what float64 holds \(1\.8e308\)\nuse smaller numbers"):
        arrays.refuse_overflow({"h": [1.0], "y": [1.0, math.inf]})
    assert [arrays.target(value) for value in (0, 0.5, 1)] == [0.0, 0.5, 1.0]
    for value in (-0.01, 1.01, math.nan):
        with pytest.raises(ShoepairError, match=r"target: .*, expected 0 \(different\) or 1 \(same\)"):
            arrays.target(value)
