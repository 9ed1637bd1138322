"""The charts: their text alternatives and their lines."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd
import pytest
from support.classes import scores_of

from shoepair.reports import chart_drawing, charts
from shoepair.reports.chart_drawing import Chart

NUMBER = r"(-?[\d.]+)"
Points = list[tuple[float, float]]


def curve(*losses: float) -> pd.DataFrame:
    return pd.DataFrame({"iteration": range(1, len(losses) + 1), "loss": losses})


def epochs(count: int) -> pd.DataFrame:
    """Return accuracies that differ in every column, and fall from epoch to epoch."""
    columns = ("train_positive", "train_negative", "valid_positive", "valid_negative")
    return pd.DataFrame({"epoch": range(1, count + 1)}).assign(
        **{name: np.linspace(1, 0.9 - i / 10, count) for i, name in enumerate(columns)}
    )


def pairs(same: Iterable[float], different: Iterable[float]) -> pd.DataFrame:
    """Return labels and logits of same and different pairs."""
    rows = [(1, logit) for logit in same] + [(0, logit) for logit in different]
    return pd.DataFrame(rows, columns=["same", "logit"])


def lines(chart: Chart) -> list[tuple[str, Points]]:
    """Return style and points of every line that is clipped to the axes, except the grid."""
    matches = re.findall(r'<path d="([^"]*)" clip-path="[^"]*" style="(fill: none;[^"]*)"', chart.svg)
    return [
        (style, [(float(x), float(y)) for x, y in re.findall(rf"[ML] {NUMBER} {NUMBER}", path)])
        for path, style in matches
        if "var(--soft)" not in style
    ]


def test_loss_text_has_the_first_lowest_and_last_loss() -> None:
    losses = [2.0, *[1.0] * 37, 0.25, 0.5]
    assert charts.build_loss_chart("cnn", curve(*losses)).alt == (
        "Line: the loss of cnn over 40 iterations, from 2.000 in the first one to 0.375 on average over the last"
        " twentieth; lowest 0.250."
    )
    assert "over 1 iterations, from 0.700 in the first one to 0.700" in charts.build_loss_chart("cnn", curve(0.7)).alt


def test_long_loss_is_averaged_at_the_same_level(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "MAX_LOSS_POINTS", 4)
    ((_, points),) = lines(charts.build_loss_chart("cnn", curve(4.0, 2.0, 3.0, 1.0)))
    ((_, means),) = lines(charts.build_loss_chart("cnn", curve(5.0, 3.0, 3.0, 1.0, 4.0, 2.0, 0.0, 2.0)))
    assert [y for _, y in means] == pytest.approx([y for _, y in points])
    steps = np.diff([x for x, _ in means])
    assert steps == pytest.approx([steps[0]] * 3)


def test_accuracy_chart_has_four_lines_and_the_last_accuracies_as_text() -> None:
    chart = charts.build_accuracy_chart("cnn", epochs(5))
    assert chart.alt == (
        "Four lines: accuracy of cnn over 5 epochs. After the last one: positive 70.0% in validation, 90.0% in"
        " training; negative 60.0% in validation, 80.0% in training."
    )
    curves = lines(chart)
    assert len({style for style, _ in curves}) == len(curves) == 4
    falls = [points[-1][1] - points[0][1] for _, points in curves]  # from 1; y grows downwards
    assert [fall / falls[1] for fall in falls] == pytest.approx([3, 1, 4, 2], abs=1e-3)


def test_curves_of_many_models_differ_and_not_by_colour_alone() -> None:
    models = {f"m{number}": scores_of(4, number) for number in range(8)}
    stats = {model: {"auc": 0.5 + number / 100} for number, model in enumerate(models)}
    chart = charts.build_roc_chart("test_m", "men's shoes", models, stats)
    assert chart.alt.startswith("ROC curves, men's shoes: true against false positive rate. Areas: m0 50.0%, m1")
    assert chart.alt.endswith("m7 57.0%; chance is 50%.")
    diagonal, *curves = lines(chart)
    assert len(curves) == 8
    styles = [style for style, _ in curves]
    assert len(set(styles)) == 8
    dashes = [re.sub(r"var\(--c\d\)", "", style) for style in styles]
    assert all(dashes[i] != dashes[i + len(chart_drawing.SERIES_COLOURS)] for i in range(4)), "the same colour"
    assert {(points[0], points[-1]) for _, points in curves} == {(diagonal[1][0], diagonal[1][1])}


def test_logit_histogram_text_has_medians_and_shares_above_0() -> None:
    chart = charts.build_logit_histogram_chart("cnn", pairs(same=[-1.0, 0.0, 2.0, 3.0], different=[-4.0, -2.5, 1.0]))
    assert chart.alt == (
        "Two histograms of the logits of cnn, which calls a pair same above 0. Same pairs: median +1.00, 50.0% above"
        " 0. Different pairs: median -2.50, 33.3% above 0."
    )
    # Equal logits: the axis still has a width.
    assert "median +0.00, 0.0% above 0" in charts.build_logit_histogram_chart("cnn", pairs([0.0, 0.0], [0.0])).alt


def test_score_axis_is_clipped_so_that_extreme_logits_do_not_squeeze_the_others_and_are_told() -> None:
    def build(*extreme: float) -> Chart:
        logits = np.linspace(-4, 4, 200)
        return charts.build_logit_histogram_chart("cnn", pairs([*logits, *extreme], [*logits, *extreme]))

    far, farther = build(1e4), build(1e6)
    assert far.svg == farther.svg
    assert "The outermost bars contain 2 logits that lie beyond the axis." in far.alt
    assert "beyond the axis" not in build().alt


def test_calibrated_model_lies_on_the_diagonal_and_an_overconfident_one_does_not() -> None:
    """Three of four pairs with a logit of ln 3 are the same, one of four with -ln 3."""
    logit = np.log(3)
    rows = pairs(same=[logit, logit, logit, -logit], different=[-logit, -logit, -logit, logit])
    chart = charts.build_reliability_chart("cnn", rows, 0.5, (0.0, 0.15))
    assert "0.0% on average before temperature scaling, 15.0% after it (temperature 0.5)" in chart.alt
    (_, ((left, bottom), (right, top))), (_, before), (_, after) = lines(chart)

    def values(points: Points) -> list[tuple[float, float]]:
        return [((x - left) / (right - left), (y - bottom) / (top - bottom)) for x, y in points]

    assert values(before) == [pytest.approx((0.25, 0.25), abs=1e-4), pytest.approx((0.75, 0.75), abs=1e-4)]
    assert values(after) == [pytest.approx((0.1, 0.25), abs=1e-4), pytest.approx((0.9, 0.75), abs=1e-4)]


def learnt(model: str, count: int, balanced: float) -> dict[str, object]:
    values = {"balanced_all": balanced, "low_all": balanced - 0.05, "high_all": balanced + 0.03}
    return {"model": model, "parameters": {}, "learnt_from": count, **values}


def test_learning_chart_has_a_line_for_each_model_and_its_numbers_as_text() -> None:
    runs = [learnt("a", 10, 0.9), learnt("a", 2, 0.7), learnt("b", 2, 0.6), learnt("b", 10, 0.65)]
    chart = charts.build_learning_chart(runs)
    assert "a: 70.0% from 2, 90.0% from 10; b: 60.0% from 2, 65.0% from 10" in chart.alt
    assert len(lines(chart)) == 2
    given = charts.build_learning_chart([learnt("b", 10, 0.9), learnt("a", 2, 0.6), learnt("a", 10, 0.65)])
    assert "b: 90.0% from 10; a: 60.0% from 2" in given.alt, "in the order of the models, not of the numbers"
