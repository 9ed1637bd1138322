"""The charts: what they say in words, and that they stand in a page beside each other."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd
import pytest
from support.classes import scores_of

from shoepair.reports import figures
from shoepair.reports.figures import Chart

NUMBER = r"(-?[\d.]+)"
Points = list[tuple[float, float]]


def curve(*losses: float) -> pd.DataFrame:
    return pd.DataFrame({"iteration": range(1, len(losses) + 1), "loss": losses})


def epochs(count: int) -> pd.DataFrame:
    """Accuracies that differ in every column, and fall from epoch to epoch."""
    columns = ("train_positive", "train_negative", "valid_positive", "valid_negative")
    return pd.DataFrame({"epoch": range(1, count + 1)}).assign(
        **{name: np.linspace(1, 0.9 - place / 10, count) for place, name in enumerate(columns)}
    )


def pairs(same: Iterable[float], different: Iterable[float]) -> pd.DataFrame:
    """Scores of pairs of both kinds."""
    kinds = [(1, logit) for logit in same] + [(0, logit) for logit in different]
    return pd.DataFrame(kinds, columns=["same", "logit"])


def lines(chart: Chart) -> list[tuple[str, Points]]:
    """The style and the points of every line that is clipped to the axes, but the grid's."""
    found = re.findall(r'<path d="([^"]*)" clip-path="[^"]*" style="(fill: none;[^"]*)"', chart.svg)
    return [
        (style, [(float(x), float(y)) for x, y in re.findall(rf"[ML] {NUMBER} {NUMBER}", path)])
        for path, style in found
        if "var(--soft)" not in style
    ]


def test_loss_is_told_by_its_first_its_lowest_and_its_last_iterations() -> None:
    losses = [2.0, *[1.0] * 37, 0.25, 0.5]
    assert figures.loss("cnn", curve(*losses)).alt == (
        "Line: the loss of cnn over 40 iterations, from 2.000 in the first one to 0.375 on average over the last"
        " twentieth; lowest 0.250."
    )
    assert "over 1 iterations, from 0.700 in the first one to 0.700" in figures.loss("cnn", curve(0.7)).alt


def test_long_loss_is_drawn_by_means_that_keep_its_level(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "POINTS", 4)
    ((_, whole),) = lines(figures.loss("cnn", curve(4.0, 2.0, 3.0, 1.0)))
    ((_, means),) = lines(figures.loss("cnn", curve(5.0, 3.0, 3.0, 1.0, 4.0, 2.0, 0.0, 2.0)))
    assert [y for _, y in means] == pytest.approx([y for _, y in whole])
    steps = np.diff([x for x, _ in means])
    assert steps == pytest.approx([steps[0]] * 3)


def test_accuracies_after_the_last_epoch_are_told_and_four_lines_drawn() -> None:
    chart = figures.accuracy("cnn", epochs(5))
    assert chart.alt == (
        "Four lines: the accuracy of cnn over 5 epochs. After the last one: positive 70.0% in validation, 90.0% in"
        " training; negative 60.0% in validation, 80.0% in training."
    )
    drawn = lines(chart)
    assert len({style for style, _ in drawn}) == len(drawn) == 4
    falls = [points[-1][1] - points[0][1] for _, points in drawn]  # from 1; y grows downwards
    assert [fall / falls[1] for fall in falls] == pytest.approx([3, 1, 4, 2], abs=1e-3)


def test_curves_of_many_models_differ_and_not_by_colour_alone() -> None:
    models = {f"m{number}": scores_of(4, number) for number in range(8)}
    measured = {model: {"auc": 0.5 + number / 100} for number, model in enumerate(models)}
    chart = figures.roc("test_m", "men's shoes", models, measured)
    assert chart.alt.startswith(
        "Curves of true against false positive rate, men's shoes. Areas under them: m0 50.0%, m1"
    )
    assert chart.alt.endswith("m7 57.0%; chance is 50%.")
    diagonal, *curves = lines(chart)
    assert len(curves) == 8
    styles = [style for style, _ in curves]
    assert len(set(styles)) == 8
    dashes = [re.sub(r"var\(--c\d\)", "", style) for style in styles]
    assert all(dashes[place] != dashes[place + len(figures.SERIES)] for place in range(4)), "the same colour"
    assert {(points[0], points[-1]) for _, points in curves} == {(diagonal[1][0], diagonal[1][1])}


def test_scores_are_told_by_medians_and_shares_above_nought() -> None:
    chart = figures.scores("cnn", pairs(same=[-1.0, 0.0, 2.0, 3.0], different=[-4.0, -2.5, 1.0]))
    assert chart.alt == (
        "Two histograms of the scores of cnn, which calls a pair same above 0. Same pairs: median +1.00, 50.0% above"
        " 0. Different pairs: median -2.50, 33.3% above 0."
    )
    # All scores alike: the axis has some width all the same.
    assert "median +0.00, 0.0% above 0" in figures.scores("cnn", pairs([0.0, 0.0], [0.0])).alt


def test_calibrated_model_lies_on_the_diagonal_and_an_overconfident_one_does_not() -> None:
    """Of pairs with a logit of ln 3 three of four are the same, of those with -ln 3 one."""
    sure = np.log(3)
    rows = pairs(same=[sure, sure, sure, -sure], different=[-sure, -sure, -sure, sure])
    chart = figures.reliability("cnn", rows, 0.5, (0.0, 0.15))
    assert "0.0% on average before temperature scaling, 15.0% after it (temperature 0.5)" in chart.alt
    (_, ((left, bottom), (right, top))), (_, before), (_, after) = lines(chart)

    def values(points: Points) -> list[tuple[float, float]]:
        return [((x - left) / (right - left), (y - bottom) / (top - bottom)) for x, y in points]

    assert values(before) == [pytest.approx((0.25, 0.25), abs=1e-4), pytest.approx((0.75, 0.75), abs=1e-4)]
    assert values(after) == [pytest.approx((0.1, 0.25), abs=1e-4), pytest.approx((0.9, 0.75), abs=1e-4)]


def test_charts_of_two_models_share_no_id_and_take_their_colours_and_size_from_the_page() -> None:
    charts = [figures.loss(model, curve(1.0, 0.5)) for model in ("cnn", "siamese")]
    ids = [set(re.findall(r' id="([^"]*)"', chart.svg)) for chart in charts]
    assert not ids[0] & ids[1]
    for chart, own in zip(charts, ids, strict=True):
        assert set(re.findall(r'(?:href="#|url\(#)([^")]*)', chart.svg)) <= own
        head = chart.svg[: chart.svg.index(">")]
        assert "viewBox=" in head
        assert " width=" not in head
        assert "<text" not in chart.svg, "letters are outlines"
        assert [colour for colour in figures.VARIABLES if colour in chart.svg] == []
        assert "var(--text)" in chart.svg
    again = figures.loss("cnn", curve(1.0, 0.5))
    assert again == charts[0], "the same numbers give the same bytes"
