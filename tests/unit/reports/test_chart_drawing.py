"""Charts as elements of a page, several on one, and as files of their own."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pandas as pd
from matplotlib.axes import Axes

from shoepair.reports import chart_drawing, charts


def curve(*losses: float) -> pd.DataFrame:
    return pd.DataFrame({"iteration": range(1, len(losses) + 1), "loss": losses})


def test_charts_of_two_models_share_no_id_and_take_their_colours_and_size_from_the_page() -> None:
    loss_charts = [charts.build_loss_chart(model, curve(1.0, 0.5)) for model in ("cnn", "siamese")]
    ids = [set(re.findall(r' id="([^"]*)"', chart.svg)) for chart in loss_charts]
    assert not ids[0] & ids[1]
    for chart, chart_ids in zip(loss_charts, ids, strict=True):
        assert set(re.findall(r'(?:href="#|url\(#)([^")]*)', chart.svg)) <= chart_ids
        head = chart.svg[: chart.svg.index(">")]
        assert "viewBox=" in head
        assert " width=" not in head
        assert "<text" not in chart.svg, "letters are outlines"
        assert [colour for colour in chart_drawing.CSS_VARIABLES if colour in chart.svg] == []
        assert "var(--text)" in chart.svg
    assert charts.build_loss_chart("cnn", curve(1.0, 0.5)) == loss_charts[0], "the same numbers give the same bytes"


def test_chart_as_a_file_of_its_own_needs_no_page() -> None:
    def paint(axes: Axes) -> None:
        axes.plot([0, 1], color=chart_drawing.SERIES_COLOURS[0])

    text = chart_drawing.svg_file_text(chart_drawing.render_chart("a", (2.0, 2.0), "a<b: 70.0% from 2", paint))
    root = ElementTree.fromstring(text)
    assert root[0].text == "a<b: 70.0% from 2"
    assert set(re.findall(r"var\((--\w+)\)", text)) <= set(re.findall(r"(--\w+):#", text))
