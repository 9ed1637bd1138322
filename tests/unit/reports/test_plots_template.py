"""The template of DVC's pages of plots; tests/system/long/test_dvc_plots.py opens a page made of it."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest
from dvc_render.html import HTML
from support.field import ROOT

from shoepair.reports.formatting import DVC_PLOTS_TEMPLATE_PATH
from shoepair.reports.plots_template import write_plots_template


def test_dvc_finds_the_template_and_fills_it_in_without_an_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / ".dvc/config")
    assert (ROOT / ".dvc" / config["plots"]["html_template"]).resolve() == ROOT / DVC_PLOTS_TEMPLATE_PATH

    monkeypatch.chdir(tmp_path)
    write_plots_template()
    page = HTML(DVC_PLOTS_TEMPLATE_PATH.read_text())
    loads_vega = '<script src="https://example.org/vega"></script>'
    text = page.with_scripts(loads_vega).with_element("<p>a chart</p>").embed()
    assert text.count("<p>a chart</p>") == 1
    assert loads_vega not in text
    assert text.count("<script") == 1
    assert "vegaEmbed" in text
