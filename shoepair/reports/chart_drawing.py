"""Drawing of charts as inline SVG: they follow the page's colours, light or dark, and its width.

Matplotlib draws in fixed colours, which are replaced by the variables of page.css. Letters are outlines of the font
that comes with matplotlib, so that all machines show the same. A chart is as wide as a small phone shows, where its
letters are 9 pixels high; page.css lets it grow to 1.6 times that.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK_COLOUR, GRID_COLOUR = "#1d2329", "#d9d8d2"
# Okabe and Ito's palette for the colour-blind, darker where the original is too pale for a line on white.
SERIES_COLOURS = ("#0072b2", "#c24e00", "#00795a", "#a3467f")
# One more than colours, so that lines of the same colour have different dashes.
LINE_STYLES = ("solid", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)), (0, (8, 3)))
CSS_VARIABLES = {INK_COLOUR: "var(--text)", GRID_COLOUR: "var(--soft)"} | {
    colour: f"var(--c{i})" for i, colour in enumerate(SERIES_COLOURS)
}
WIDTH = 3.4  # inches
FONT_SIZE = 9.0  # points, of the smallest letters: WIDTH is 245 points
MATPLOTLIB_STYLE: Any = {  # matplotlib's rcParams
    "font.family": "DejaVu Sans",
    "font.size": FONT_SIZE + 0.5,
    **dict.fromkeys(("legend.fontsize", "xtick.labelsize", "ytick.labelsize"), FONT_SIZE),
    "svg.fonttype": "path",
    "svg.hashsalt": "shoepair",
    **dict.fromkeys(("axes.edgecolor", "axes.labelcolor", "text.color", "xtick.color", "ytick.color"), INK_COLOUR),
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "grid.color": GRID_COLOUR,
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "lines.linewidth": 1.7,
}


class Chart(NamedTuple):
    """An SVG chart and its text alternative."""

    svg: Markup
    alt: str


def _to_inline_svg(svg: str, id_prefix: str) -> str:
    """Convert matplotlib's SVG file to an inline element with prefixed ids, CSS colours and no fixed size."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    head, body = svg.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', head)
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    body = re.sub(r'( id="| xlink:href="#|url\(#)', rf"\g<1>{id_prefix}-", body)
    for colour, variable in CSS_VARIABLES.items():
        body = body.replace(colour, variable)
    body = re.sub(r"\n\s*", "\n", body)
    return f'<svg {names} {box.group() if box else ""} aria-hidden="true" focusable="false">{body}'.strip()


def render_chart(id_prefix: str, inches: tuple[float, float], alt: str, paint: Callable[[Axes], object]) -> Chart:
    """Draw a chart on empty axes; `id_prefix` makes its ids unique on the page."""
    file = io.StringIO()
    with mpl.rc_context(MATPLOTLIB_STYLE):
        figure = Figure(figsize=inches, layout="constrained")
        axes = figure.add_subplot()
        for background in (figure.patch, axes.patch):
            background.set_visible(False)
        paint(axes)
        no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        FigureCanvasSVG(figure)
        figure.savefig(file, format="svg", metadata=no_metadata)
    return Chart(Markup(_to_inline_svg(file.getvalue(), id_prefix)), alt)  # safe: numbers and outlines only


def svg_file_text(chart: Chart) -> str:
    """Return a chart as an SVG file of its own: with its colours on white, and its text alternative as the title."""
    colours = "".join(f"{variable[4:-1]}:{colour};" for colour, variable in CSS_VARIABLES.items())
    head, body = str(chart.svg).split(">", 1)
    head = head.replace(' aria-hidden="true" focusable="false"', "")
    return f'{head} style="background:#fff;{colours}"><title>{escape(chart.alt)}</title>{body}\n'
