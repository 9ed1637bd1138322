"""The charts, as SVG that stands in the page itself: it takes the page's colours, light or dark, and any width.

Matplotlib draws in stand-in colours, which become the variables of page.css. Letters are drawn as outlines of the
font that comes with matplotlib, so that no machine shows others. Each chart says in words, with its numbers, what is
to be seen. Two lines never differ by colour alone.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from shoepair.evaluation import calibration, metrics, roc_curve

INK, GRID = "#1d2329", "#d9d8d2"
# Of Okabe and Ito, told apart by the colour-blind too; darker where the original is too pale for a line on white.
SERIES = ("#0072b2", "#c24e00", "#00795a", "#a3467f")
# One more than colours: so a line of the same colour has other dashes.
DASHES = ("solid", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)), (0, (8, 3)))
VARIABLES = {INK: "var(--text)", GRID: "var(--soft)"} | {each: f"var(--c{i})" for i, each in enumerate(SERIES)}
WIDE, SQUARE = (4.0, 2.9), (4.0, 3.7)  # inches: 288 points, about what a phone shows
POINTS = 400  # of a loss curve; more than that are averaged
BINS = 24  # of a histogram of scores
TICKS = (0, 0.25, 0.5, 0.75, 1)  # of an axis of shares
LOOK: Any = {  # the keys are matplotlib's own
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    **dict.fromkeys(("legend.fontsize", "xtick.labelsize", "ytick.labelsize"), 8.5),
    "svg.fonttype": "path",
    "svg.hashsalt": "shoepair",
    **dict.fromkeys(("axes.edgecolor", "axes.labelcolor", "text.color", "xtick.color", "ytick.color"), INK),
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "lines.linewidth": 1.7,
}


class Chart(NamedTuple):
    """A picture and what is to be seen on it."""

    svg: Markup
    alt: str


def _inline(svg: str, key: str) -> str:
    """Matplotlib's file as an element: ids of its own, the page's colours, no size but its proportions."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    head, body = svg.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', head)
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    body = re.sub(r'( id="| xlink:href="#|url\(#)', rf"\g<1>{key}-", body)
    for colour, variable in VARIABLES.items():
        body = body.replace(colour, variable)
    body = re.sub(r"\n\s*", "\n", body)
    return f'<svg {names} {box.group() if box else ""} aria-hidden="true" focusable="false">{body}'.strip()


def _draw(key: str, inches: tuple[float, float], alt: str, paint: Callable[[Axes], object]) -> Chart:
    """Have a chart painted on empty axes; its ids begin with `key`, no other chart's do."""
    file = io.StringIO()
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=inches, layout="constrained")
        axes = figure.add_subplot()
        for ground in (figure.patch, axes.patch):
            ground.set_visible(False)
        paint(axes)
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        FigureCanvasSVG(figure)
        figure.savefig(file, format="svg", metadata=nothing)
    return Chart(Markup(_inline(file.getvalue(), key)), alt)  # made here of numbers, texts being outlines


def _legend(axes: Axes) -> None:
    axes.figure.legend(loc="outside upper center", ncols=2, handlelength=2.2, columnspacing=1.4)


def _percent_axis(axes: Axes) -> None:
    """Let y go from 0 to 100 %, with room for a line that lies on its end."""
    axes.set(ylim=(-0.02, 1.04), yticks=TICKS, yticklabels=[f"{tick:.0%}" for tick in TICKS])


def _percent_square(axes: Axes) -> None:
    """Let x and y go from 0 to 100 %, equally scaled, and draw the diagonal."""
    axes.plot([0, 1], [0, 1], color=INK, lw=0.8, ls=(0, (2, 3)))
    axes.set(xlim=(-0.02, 1.02), xticks=TICKS, xticklabels=[f"{tick:.0%}" for tick in TICKS], aspect="equal")
    _percent_axis(axes)


def loss(model: str, rows: pd.DataFrame) -> Chart:
    """The loss in every iteration, in stretches of equal length where there are too many to draw."""
    values = rows["loss"].to_numpy()
    parts = np.array_split(np.arange(len(values)), min(POINTS, len(values)))
    places = np.array([part.mean() + 1 for part in parts])
    means = np.array([values[part].mean() for part in parts])
    last = values[-max(1, len(values) // 20) :].mean()
    alt = (
        f"Line: the loss of {model} over {len(values)} iterations, from {values[0]:.3f} in the first one "
        f"to {last:.3f} on average over the last twentieth; lowest {values.min():.3f}."
    )

    def paint(axes: Axes) -> None:
        axes.plot(places, means, color=SERIES[0], lw=1.2, marker="o" if len(means) < 4 else None)
        axes.set(xlabel="iteration", ylabel="loss, cross-entropy", ylim=(0, max(means.max() * 1.05, 0.01)))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))

    return _draw(f"loss-{model}", WIDE, alt, paint)


def accuracy(model: str, rows: pd.DataFrame) -> Chart:
    """Accuracy after every epoch: positive and negative, of the students learnt from and of the others."""
    last = rows.iloc[-1]
    told = [
        f"{kind} {last[f'valid_{kind}']:.1%} in validation, {last[f'train_{kind}']:.1%} in training"
        for kind in ("positive", "negative")
    ]
    alt = f"Four lines: the accuracy of {model} over {len(rows)} epochs. After the last one: {'; '.join(told)}."

    def paint(axes: Axes) -> None:
        mark = "o" if len(rows) < 4 else None
        for colour, kind in zip(SERIES, ("positive", "negative"), strict=False):
            for part, name, style, width in (
                ("valid", "validation", "solid", 1.8),
                ("train", "training", DASHES[2], 1.5),
            ):
                look: Any = {"color": colour, "ls": style, "lw": width, "marker": mark}
                axes.plot(rows["epoch"], rows[f"{part}_{kind}"], label=f"{kind}, {name}", **look)
        _percent_axis(axes)
        axes.set(xlabel="epoch", ylabel="accuracy")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _legend(axes)

    return _draw(f"accuracy-{model}", WIDE, alt, paint)


def roc(key: str, title: str, scores: dict[str, pd.DataFrame], measured: dict[str, Any]) -> Chart:
    """The curves of all models on one set: by model, its `Scores` rows and what `metrics.metrics` returned."""
    areas = [f"{model} {measured[model]['auc']:.1%}" for model in scores]
    alt = f"Curves of true against false positive rate, {title}. Areas under them: {', '.join(areas)}; chance is 50%."

    def paint(axes: Axes) -> None:
        _percent_square(axes)
        for place, (model, rows) in enumerate(scores.items()):
            curve = roc_curve.roc(*metrics.labels_and_logits(rows))
            look: Any = {"color": SERIES[place % len(SERIES)], "ls": DASHES[place % len(DASHES)]}
            axes.plot(curve.fpr[0], curve.tpr[0], label=f"{model} ({measured[model]['auc']:.1%})", **look)
        axes.set(xlabel="different pairs called same", ylabel="same pairs called same")
        axes.legend(loc="lower right", handlelength=2.6)

    return _draw(f"roc-{key}", SQUARE, alt, paint)


def scores(model: str, rows: pd.DataFrame) -> Chart:
    """How the scores of same and of different pairs lie, as shares of either kind."""
    same, logits = metrics.labels_and_logits(rows)
    edges = np.linspace(min(float(logits.min()), -0.1), max(float(logits.max()), 0.1), BINS + 1)
    over = [float((logits[kind] > 0).mean()) for kind in (same, ~same)]
    alt = (
        f"Two histograms of the scores of {model}, which calls a pair same above 0. Same pairs: median "
        f"{np.median(logits[same]):+.2f}, {over[0]:.1%} above 0. Different pairs: median "
        f"{np.median(logits[~same]):+.2f}, {over[1]:.1%} above 0."
    )

    def paint(axes: Axes) -> None:
        for kind, label, colour, hatch in ((same, "same", SERIES[0], "////"), (~same, "different", SERIES[1], "")):
            shares, _ = np.histogram(logits[kind], edges)
            axes.stairs(shares / kind.sum(), edges, fill=True, color=colour, alpha=0.28, lw=0)
            style = "solid" if hatch else (0, (4, 1.2))
            axes.stairs(shares / kind.sum(), edges, color=colour, lw=1.7, ls=style, label=f"{label} pairs")
        axes.axvline(0, color=INK, lw=0.9, ls=(0, (2, 2)))
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.set(xlabel="score: different below 0, same above", ylabel="share of the pairs")
        _legend(axes)

    return _draw(f"scores-{model}", WIDE, alt, paint)


def reliability(model: str, rows: pd.DataFrame, heat: float, errors: tuple[float, float]) -> Chart:
    """Probability against share of same pairs, and the calibration errors, before and after scaling by `heat`."""
    same, logits = metrics.labels_and_logits(rows)
    alt = (
        f"Two lines: how often pairs are the same against the probability that {model} gives. The distance to the "
        f"diagonal is {errors[0]:.1%} on average before temperature scaling, {errors[1]:.1%} after it "
        f"(temperature {heat:.3g})."
    )

    def paint(axes: Axes) -> None:
        _percent_square(axes)
        for at, label, colour, style, mark in (
            (1.0, "before", SERIES[1], DASHES[1], "s"),
            (heat, "after scaling", SERIES[0], "solid", "o"),
        ):
            chances, shares = _bins(same, calibration.probabilities(logits, at))
            axes.plot(chances, shares, color=colour, ls=style, marker=mark, ms=4.5, label=label)
        axes.set(xlabel="probability of same", ylabel="pairs that are the same")
        _legend(axes)

    return _draw(f"reliability-{model}", SQUARE, alt, paint)


def _bins(same: NDArray[np.bool_], chances: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean probability and share of same pairs in the bins that hold pairs; either kind weighs half."""
    held, mean, share = (calibration.bin_sums(same, chances, each) for each in (np.ones(len(same)), chances, same))
    full = held > 0
    return mean[full] / held[full], share[full] / held[full]
