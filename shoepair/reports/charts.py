"""Charts as inline SVG: they follow the page's colours, light or dark, and its width.

Matplotlib draws in fixed colours, which are replaced by the variables of page.css. Letters are outlines of the font
that comes with matplotlib, so that all machines show the same. Each chart has a text alternative with its numbers.
Two lines never differ by colour alone.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from shoepair.evaluation import calibration, metrics, roc_curve

INK_COLOUR, GRID_COLOUR = "#1d2329", "#d9d8d2"
# Okabe and Ito's palette for the colour-blind, darker where the original is too pale for a line on white.
SERIES_COLOURS = ("#0072b2", "#c24e00", "#00795a", "#a3467f")
# One more than colours, so that lines of the same colour have different dashes.
LINE_STYLES = ("solid", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)), (0, (8, 3)))
CSS_VARIABLES = {INK_COLOUR: "var(--text)", GRID_COLOUR: "var(--soft)"} | {
    colour: f"var(--c{i})" for i, colour in enumerate(SERIES_COLOURS)
}
WIDE_INCHES, SQUARE_INCHES = (4.0, 2.9), (4.0, 3.7)  # inches: 288 points, about what a phone shows
MAX_LOSS_POINTS = 400  # of a loss curve; more are averaged
SCORE_BINS = 24  # of a histogram of logits
# A histogram's axis ends at 1.5 times this percentile of the logits' amounts: few sure answers squeeze the rest.
LOGIT_PERCENTILE, LOGIT_MARGIN = 95, 1.5
ANSWER_INCHES = (4.0, 0.8, 0.24)  # width of the chart of all models; its height without lines; height of a line
SHARE_TICKS = (0, 0.25, 0.5, 0.75, 1)  # of an axis of shares
MATPLOTLIB_STYLE: Any = {  # matplotlib's rcParams
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    **dict.fromkeys(("legend.fontsize", "xtick.labelsize", "ytick.labelsize"), 8.5),
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


def _render_chart(id_prefix: str, inches: tuple[float, float], alt: str, paint: Callable[[Axes], object]) -> Chart:
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


def _add_legend(axes: Axes) -> None:
    axes.figure.legend(loc="outside upper center", ncols=2, handlelength=2.2, columnspacing=1.4)


def _set_percent_axis(axes: Axes) -> None:
    """Set the y axis to 0-100 %, with room for lines at its ends."""
    axes.set(ylim=(-0.02, 1.04), yticks=SHARE_TICKS, yticklabels=[f"{tick:.0%}" for tick in SHARE_TICKS])


def _set_percent_square(axes: Axes) -> None:
    """Set both axes to 0-100 %, equally scaled, and draw the diagonal."""
    axes.plot([0, 1], [0, 1], color=INK_COLOUR, lw=0.8, ls=(0, (2, 3)))
    axes.set(
        xlim=(-0.02, 1.02), xticks=SHARE_TICKS, xticklabels=[f"{tick:.0%}" for tick in SHARE_TICKS], aspect="equal"
    )
    _set_percent_axis(axes)


def build_answer_chart(
    metrics_by_model: dict[str, dict[str, Any]], splits: list[str], split_titles: dict[str, str]
) -> Chart:
    """Draw the balanced accuracy of every model on these splits with its interval, the first model on top."""
    lines = [(model, split) for model in metrics_by_model for split in splits]
    numbers = [
        f"{model}, {split_titles[split]}: {metrics_by_model[model][split]['balanced']:.1%} "
        f"({100 * metrics_by_model[model][split]['low']:.1f} to {100 * metrics_by_model[model][split]['high']:.1f})"
        for model, split in lines
    ]
    lowest = min(metrics_by_model[model][split]["low"] for model, split in lines)

    def paint(axes: Axes) -> None:
        middles = []
        for i, (model, split) in enumerate(lines):
            row, series = divmod(i, len(splits))
            y = row * (len(splits) + 0.8) + series
            if series == 0:
                middles.append(y + (len(splits) - 1) / 2)
            stats = metrics_by_model[model][split]
            colour, marker = SERIES_COLOURS[series % len(SERIES_COLOURS)], "os"[series % 2]
            label = split_titles[split] if row == 0 else None
            axes.plot([stats["low"], stats["high"]], [y, y], color=colour, lw=2.4, solid_capstyle="butt")
            axes.plot(stats["balanced"], y, color=colour, marker=marker, ms=6, ls="none", label=label, clip_on=False)
            place: Any = {"xycoords": axes.get_yaxis_transform(), "va": "center", "annotation_clip": False}
            axes.annotate(f"{stats['balanced']:.1%}", (1.02, y), color=colour, **place)
        axes.axvline(0.5, color=INK_COLOUR, lw=0.9, ls=(0, (2, 2)))
        left = min(0.45, np.floor(20 * lowest) / 20)
        axes.set(xlim=(left, 1.005), ylim=(y + 0.8, -0.8), yticks=middles, yticklabels=list(metrics_by_model))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("balanced accuracy, 95% interval")
        _add_legend(axes)

    width, base, line = ANSWER_INCHES
    height = base + line * len(metrics_by_model) * (len(splits) + 0.8)
    alt = f"Balanced accuracy of every model, with 95% intervals; guessing is 50%. {'; '.join(numbers)}."
    return _render_chart("answer", (width, height), alt, paint)


def build_loss_chart(model: str, loss_curve: pd.DataFrame) -> Chart:
    """Draw the loss curve: loss per iteration, averaged where there are too many points."""
    values = loss_curve["loss"].to_numpy()
    parts = np.array_split(np.arange(len(values)), min(MAX_LOSS_POINTS, len(values)))
    iterations = np.array([part.mean() + 1 for part in parts])
    means = np.array([values[part].mean() for part in parts])
    last = values[-max(1, len(values) // 20) :].mean()
    alt = (
        f"Line: the loss of {model} over {len(values)} iterations, from {values[0]:.3f} in the first one "
        f"to {last:.3f} on average over the last twentieth; lowest {values.min():.3f}."
    )

    def paint(axes: Axes) -> None:
        axes.plot(iterations, means, color=SERIES_COLOURS[0], lw=1.2, marker="o" if len(means) < 4 else None)
        axes.set(xlabel="iteration", ylabel="loss, cross-entropy", ylim=(0, max(means.max() * 1.05, 0.01)))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))

    return _render_chart(f"loss-{model}", WIDE_INCHES, alt, paint)


def build_accuracy_chart(model: str, epoch_curve: pd.DataFrame) -> Chart:
    """Draw positive and negative accuracy per epoch, in training and in validation."""
    last = epoch_curve.iloc[-1]
    final = [
        f"{metric} {last[f'valid_{metric}']:.1%} in validation, {last[f'train_{metric}']:.1%} in training"
        for metric in ("positive", "negative")
    ]
    alt = f"Four lines: accuracy of {model} over {len(epoch_curve)} epochs. After the last one: {'; '.join(final)}."

    def paint(axes: Axes) -> None:
        marker = "o" if len(epoch_curve) < 4 else None
        for colour, metric in zip(SERIES_COLOURS, ("positive", "negative"), strict=False):
            for split, title, style, width in (
                ("valid", "validation", "solid", 1.8),
                ("train", "training", LINE_STYLES[2], 1.5),
            ):
                line: Any = {"color": colour, "ls": style, "lw": width, "marker": marker}
                axes.plot(epoch_curve["epoch"], epoch_curve[f"{split}_{metric}"], label=f"{metric}, {title}", **line)
        _set_percent_axis(axes)
        axes.set(xlabel="epoch", ylabel="accuracy")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _add_legend(axes)

    return _render_chart(f"accuracy-{model}", WIDE_INCHES, alt, paint)


def build_roc_chart(
    split: str, split_title: str, scores_by_model: dict[str, pd.DataFrame], metrics_by_model: dict[str, Any]
) -> Chart:
    """Draw the ROC curves of all models on one split, from `Scores` rows and `compute_metrics` results by model."""
    areas = [f"{model} {metrics_by_model[model]['auc']:.1%}" for model in scores_by_model]
    alt = f"ROC curves, {split_title}: true against false positive rate. Areas: {', '.join(areas)}; chance is 50%."

    def paint(axes: Axes) -> None:
        _set_percent_square(axes)
        for i, (model, scores) in enumerate(scores_by_model.items()):
            curve = roc_curve.compute_roc_curves(*metrics.labels_and_logits(scores))
            colour, style = SERIES_COLOURS[i % len(SERIES_COLOURS)], LINE_STYLES[i % len(LINE_STYLES)]
            label = f"{model} ({metrics_by_model[model]['auc']:.1%})"
            axes.plot(curve.fpr[0], curve.tpr[0], label=label, color=colour, ls=style)
        axes.set(xlabel="different pairs called same", ylabel="same pairs called same")
        axes.legend(loc="lower right", handlelength=2.6)

    return _render_chart(f"roc-{split}", SQUARE_INCHES, alt, paint)


def build_logit_histogram_chart(model: str, scores: pd.DataFrame) -> Chart:
    """Draw histograms of a model's logits, same and different pairs apart, as shares."""
    same, logits = metrics.labels_and_logits(scores)
    limit = LOGIT_MARGIN * float(np.percentile(np.abs(logits), LOGIT_PERCENTILE))
    shown = np.clip(logits, -limit, limit)
    beyond = int((np.abs(logits) > limit).sum())
    edges = np.linspace(min(float(shown.min()), -0.1), max(float(shown.max()), 0.1), SCORE_BINS + 1)
    above = [float((logits[mask] > 0).mean()) for mask in (same, ~same)]
    alt = (
        f"Two histograms of the logits of {model}, which calls a pair same above 0. Same pairs: median "
        f"{np.median(logits[same]):+.2f}, {above[0]:.1%} above 0. Different pairs: median "
        f"{np.median(logits[~same]):+.2f}, {above[1]:.1%} above 0."
    ) + (f" The outermost bars contain {beyond} logits that lie beyond the axis." if beyond else "")

    def paint(axes: Axes) -> None:
        for mask, label, colour, style in (
            (same, "same", SERIES_COLOURS[0], "solid"),
            (~same, "different", SERIES_COLOURS[1], (0, (4, 1.2))),
        ):
            shares = np.histogram(shown[mask], edges)[0] / mask.sum()
            axes.stairs(shares, edges, fill=True, color=colour, alpha=0.28, lw=0)
            axes.stairs(shares, edges, color=colour, lw=1.7, ls=style, label=f"{label} pairs")
        axes.axvline(0, color=INK_COLOUR, lw=0.9, ls=(0, (2, 2)))
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.set(xlabel="logit: different below 0, same above", ylabel="share of pairs")
        _add_legend(axes)

    return _render_chart(f"scores-{model}", WIDE_INCHES, alt, paint)


def build_reliability_chart(
    model: str, scores: pd.DataFrame, temperature: float, calibration_errors: tuple[float, float]
) -> Chart:
    """Draw a reliability diagram, before and after temperature scaling; `calibration_errors` likewise."""
    same, logits = metrics.labels_and_logits(scores)
    alt = (
        f"Two lines: share of same pairs against the probability by {model}. The distance to the diagonal is "
        f"{calibration_errors[0]:.1%} on average before temperature scaling, {calibration_errors[1]:.1%} after it "
        f"(temperature {temperature:.3g})."
    )

    def paint(axes: Axes) -> None:
        _set_percent_square(axes)
        for divisor, label, colour, style, marker in (
            (1.0, "before", SERIES_COLOURS[1], LINE_STYLES[1], "s"),
            (temperature, "after scaling", SERIES_COLOURS[0], "solid", "o"),
        ):
            means, shares = _reliability_bins(same, calibration.calibrated_probabilities(logits, divisor))
            axes.plot(means, shares, color=colour, ls=style, marker=marker, ms=4.5, label=label)
        axes.set(xlabel="probability of same", ylabel="pairs that are the same")
        _add_legend(axes)

    return _render_chart(f"reliability-{model}", SQUARE_INCHES, alt, paint)


def build_learning_chart(runs: list[dict[str, Any]]) -> Chart:
    """Draw balanced accuracy by the number of students learnt from, of the values of `grid_search.metrics_by_run`."""
    runs_by_model: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        name = " ".join([run["model"], *(f"{key}={value}" for key, value in run["parameters"].items())])
        runs_by_model.setdefault(name, []).append(run)
        runs_by_model[name].sort(key=lambda run: int(run["learnt_from"]))
    counts = sorted({run["learnt_from"] for run in runs})
    numbers = [
        f"{model}: " + ", ".join(f"{run['balanced_all']:.1%} from {run['learnt_from']}" for run in its_runs)
        for model, its_runs in runs_by_model.items()
    ]

    def paint(axes: Axes) -> None:
        for i, (model, its_runs) in enumerate(runs_by_model.items()):
            x, middle, low, high = (
                [run[name] for run in its_runs] for name in ("learnt_from", "balanced_all", "low_all", "high_all")
            )
            colour, style = SERIES_COLOURS[i % len(SERIES_COLOURS)], LINE_STYLES[i % len(LINE_STYLES)]
            axes.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)
            axes.plot(x, middle, color=colour, ls=style, marker="os^Dv"[i % 5], ms=4.5, label=model)
        axes.set_xscale("log")
        axes.set_xticks(counts, labels=list(map(str, counts)), minor=False)
        axes.set_xticks([], minor=True)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.set(xlabel="students learnt from", ylabel="balanced accuracy, 95% interval")
        _add_legend(axes)

    alt = f"Balanced accuracy on held-out students by the number of students learnt from. {'; '.join(numbers)}."
    return _render_chart("learning", WIDE_INCHES, alt, paint)


def svg_file_text(chart: Chart) -> str:
    """Return a chart as an SVG file of its own: with its colours on white, and its text alternative as the title."""
    colours = "".join(f"{variable[4:-1]}:{colour};" for colour, variable in CSS_VARIABLES.items())
    head, body = str(chart.svg).split(">", 1)
    head = head.replace(' aria-hidden="true" focusable="false"', "")
    return f'{head} style="background:#fff;{colours}"><title>{escape(chart.alt)}</title>{body}\n'


def _reliability_bins(
    same: NDArray[np.bool_], probabilities: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean probability and share of same pairs of each non-empty bin, with class-balanced weights."""
    weight, probability, share = (
        calibration.weighted_bin_sums(same, probabilities, values)
        for values in (np.ones(len(same)), probabilities, same)
    )
    filled = weight > 0
    return probability[filled] / weight[filled], share[filled] / weight[filled]
