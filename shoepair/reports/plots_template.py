"""The template of the page that `dvc plots show` and `dvc plots diff` write: Vega in it, so that it opens offline.

DVC's own template loads Vega from a network. `.dvc/config` names this one (`plots.html_template`); DVC puts its charts
in place of `{plot_divs}`. The JavaScript is that of Vega 5, Vega-Lite 5 and Vega-Embed 6, as the package
`django-js-lib-vega-embed` ships it.
"""

from __future__ import annotations

from importlib import resources

from shoepair.reports.formatting import DVC_PLOTS_TEMPLATE_PATH, read_template
from shoepair.runtime import atomic_files

SCRIPT = "static/js_lib_vega_embed/vega-embed-full.js"
SCRIPT_MARK = "/* Vega */"


def write_plots_template() -> None:
    """Write the template."""
    script = resources.files("js_lib_vega_embed").joinpath(SCRIPT).read_text(encoding="utf-8")
    text = read_template("dvc-plots.html").replace(SCRIPT_MARK, script)
    atomic_files.write_text(DVC_PLOTS_TEMPLATE_PATH, text)
