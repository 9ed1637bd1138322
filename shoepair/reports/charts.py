"""The charts of the report, each with a text alternative that has its numbers.

Two lines never differ by colour alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from shoepair.evaluation import calibration, metrics, roc_curve
from shoepair.reports.chart_drawing import INK_COLOUR, LINE_STYLES, SERIES_COLOURS, WIDTH, Chart, render_chart

WIDE_INCHES, SQUARE_INCHES = (WIDTH, 2.6), (WIDTH, 3.3)
MAX_LOSS_POINTS = 400  # of a loss curve; more are averaged
SCORE_BINS = 24  # of a histogram of logits
# A histogram's axis ends at 1.5 times this percentile of the logits' amounts: few sure answers squeeze the rest.
LOGIT_PERCENTILE, LOGIT_MARGIN = 95, 1.5
ANSWER_INCHES = (0.8, 0.19)  # height of the chart of all models: without lines, and of a line
LEGEND_LINE_INCHES = 0.19
SHARE_TICKS = (0, 0.25, 0.5, 0.75, 1)  # of an axis of shares
SHARE_AXIS_STARTS = (0.9, 0.8, 0.5)  # where an axis of shares begins, if all are above it; else at 0


def _add_legend(axes: Axes, columns: int = 2) -> None:
    axes.figure.legend(loc="outside upper center", ncols=columns, handlelength=1.8, columnspacing=1.0)


def _set_percent_axis(axes: Axes, lowest: float = 0.0) -> None:
    """Set the y axis to end at 100 %, with room for lines at its ends; it begins below the lowest value."""
    start = next((start for start in SHARE_AXIS_STARTS if lowest > start), 0.0)
    ticks, room = np.linspace(start, 1, len(SHARE_TICKS)), (1 - start) / 50
    labels = [f"{100 * tick:.3g}%" for tick in ticks]
    axes.set(ylim=(start - room, 1 + 2 * room), yticks=ticks, yticklabels=labels)


def _set_percent_square(axes: Axes) -> None:
    """Set both axes to 0-100 %, and draw the diagonal.

    The figure's height makes them alike: matplotlib cuts off labels where it is told to, beside a legend outside.
    """
    axes.plot([0, 1], [0, 1], color=INK_COLOUR, lw=0.8, ls=(0, (2, 3)))
    axes.set(xlim=(-0.02, 1.02), xticks=SHARE_TICKS, xticklabels=[f"{tick:.0%}" for tick in SHARE_TICKS])
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
        left = min(0.5, np.floor(20 * lowest) / 20)
        for i, (model, split) in enumerate(lines):
            row, series = divmod(i, len(splits))
            y = row * (len(splits) + 1.4) + series
            if series == 0:
                axes.annotate(model, (left, y - 0.95), (3, 0), textcoords="offset points", va="center")
            stats = metrics_by_model[model][split]
            colour, marker = SERIES_COLOURS[series % len(SERIES_COLOURS)], "os"[series % 2]
            label = split_titles[split] if row == 0 else None
            axes.plot([stats["low"], stats["high"]], [y, y], color=colour, lw=2.4, solid_capstyle="butt")
            axes.plot(stats["balanced"], y, color=colour, marker=marker, ms=6, ls="none", label=label, clip_on=False)
            place: Any = {"xycoords": axes.get_yaxis_transform(), "va": "center", "annotation_clip": False}
            axes.annotate(f"{stats['balanced']:.1%}", (1.02, y), color=colour, **place)
        axes.axvline(0.5, color=INK_COLOUR, lw=0.9, ls=(0, (2, 2)))
        axes.set(xlim=(left, 1.005), ylim=(y + 0.8, -1.6), yticks=[])
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.spines["left"].set_visible(False)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("balanced accuracy, 95% interval")
        _add_legend(axes)

    base, line = ANSWER_INCHES
    height = base + line * len(metrics_by_model) * (len(splits) + 1.4)
    alt = f"Balanced accuracy of every model, with 95% intervals; guessing is 50%. {'; '.join(numbers)}."
    return render_chart("answer", (WIDTH, height), alt, paint)


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

    return render_chart(f"loss-{model}", WIDE_INCHES, alt, paint)


def build_accuracy_chart(model: str, epoch_curve: pd.DataFrame) -> Chart:
    """Draw positive and negative accuracy per epoch, in training and in validation."""
    last = epoch_curve.iloc[-1]
    final = [
        f"{metric} {last[f'valid_{metric}']:.1%} in validation, {last[f'train_{metric}']:.1%} in training"
        for metric in ("positive", "negative")
    ]
    lines = [f"{split}_{metric}" for split in ("valid", "train") for metric in ("positive", "negative")]
    lowest = float(epoch_curve[lines].to_numpy().min())
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
        _set_percent_axis(axes, lowest)
        axes.set(xlabel="epoch", ylabel="accuracy")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _add_legend(axes)

    return render_chart(f"accuracy-{model}", WIDE_INCHES, alt, paint)


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
        _add_legend(axes, columns=1)

    height = SQUARE_INCHES[1] + LEGEND_LINE_INCHES * (len(scores_by_model) - 1)
    return render_chart(f"roc-{split}", (WIDTH, height), alt, paint)


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

    return render_chart(f"scores-{model}", WIDE_INCHES, alt, paint)


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

    return render_chart(f"reliability-{model}", SQUARE_INCHES, alt, paint)


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
    return render_chart("learning", WIDE_INCHES, alt, paint)


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
