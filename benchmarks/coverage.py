"""How often intervals hold the truth, and how wide they are, in simulated classes.

    python -m benchmarks.coverage [--students 5 15 30 100] [--classes 400] [--resamples 400] [--json FILE]

A student's accuracy is drawn from a beta distribution with the given mean and intra-class correlation (ICC), and is
the same for same and for different pairs: a hard student is hard throughout. Each of the nine pairs then gets a margin
from the threshold, normal around the quantile of that accuracy, so that the share of pairs on the right side is
beta-binomial and scores are continuous: accuracies, AUC, equal error rate and TPR at 1 % FPR follow from one class.
Differences are to a model that is 5 percentage points worse (`by 5`) and to one that is as good (`by 0`), both with
the same hard students and correlated margins. Where the accuracy is 100 %, no pair is ever wrong. The truth is that of
100,000 students.

`new` are the intervals of shoepair/evaluation/intervals.py, `old` those of the versions before (bca_intervals.py).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtri

from benchmarks import bca_intervals
from benchmarks.output import Row, print_results
from shoepair.data import pairs
from shoepair.evaluation import intervals, metrics
from shoepair.evaluation.metric_names import METRIC_NAMES

ACCURACIES = (0.8, 0.95, 1.0)
CORRELATIONS = (0.0, 0.2, 0.5)
WORSE_BY = 0.05
SHOWN = ("positive", "negative", "balanced", "auc", "eer", "tpr_1")
COMPARED = ("balanced", "auc")
TRUTH_STUDENTS = 100_000
MAX_QUANTILE = 8.0  # of a student's accuracy: beyond, all pairs are on one side
COUNT = len(METRIC_NAMES)
MODELS = ("one", "worse", "equal")
PAIRS_OF_TWO = {"by 5": (0, 1), "by 0": (0, 2)}

Array = NDArray[np.float64]


def pair_table(students: int) -> pd.DataFrame:
    """Return the rows of all nine pairs of some students."""
    names = [f"u{number:06}" for number in range(students)]
    return pairs.build_pair_rows(
        pd.DataFrame({"batch": "a", "student": names, "row": range(students), "split": "test_m"})
    )


def draw_logits(same: NDArray[np.bool_], accuracy: float, correlation: float, rng: np.random.Generator) -> list[Array]:
    """Draw the logits of three models for the pairs of students, nine each: this accuracy, 5 points less, the same."""
    students = len(same) // 9
    difficulty, shared = rng.random(students), rng.normal(size=len(same))
    logits = []
    for mean in (accuracy, accuracy - WORSE_BY, accuracy):
        noise = np.sqrt(0.5) * shared + np.sqrt(0.5) * rng.normal(size=len(same))
        margins = np.abs(noise) + 3 if mean == 1 else np.repeat(quantiles(difficulty, mean, correlation), 9) + noise
        logits.append(np.where(same, margins, -margins))
    return logits


def quantiles(difficulty: Array, mean: float, correlation: float) -> Array:
    """Return (T,) the normal quantiles of the students' accuracies, beta distributed over their difficulty 0 to 1."""
    if not correlation:
        return np.full(len(difficulty), ndtri(mean))
    total = 1 / correlation - 1
    unlimited = ndtri(betaincinv(mean * total, (1 - mean) * total, difficulty))
    return np.asarray(np.clip(unlimited, -MAX_QUANTILE, MAX_QUANTILE))


def true_metrics(accuracy: float, correlation: float) -> Array:
    """Return the metrics of the three models over very many students: (3, metrics)."""
    rows = pair_table(TRUTH_STUDENTS)
    logits = draw_logits(rows["same"].to_numpy() == 1, accuracy, correlation, np.random.default_rng(0))
    weights = np.ones((1, TRUTH_STUDENTS))
    return np.stack([metrics.WeightedMetrics(rows.assign(logit=values))(weights)[0] for values in logits])


def intervals_by_method(
    scores: dict[str, pd.DataFrame], resamples: int, seed: int
) -> Iterator[tuple[str, str, Array]]:
    """Yield method, quantity and (K, 3) value, low, high: of the first model, and of its differences to the others."""
    estimates = metrics.estimate_metrics(scores, resamples, seed)
    yield "new", "one", intervals.intervals_of(estimates)[:COUNT]
    for name, (one, other) in PAIRS_OF_TWO.items():
        sides = (range(model * COUNT, (model + 1) * COUNT) for model in (one, other))
        yield "new", name, intervals.paired_differences(estimates, *map(list, sides))
    statistics = [metrics.WeightedMetrics(rows) for rows in scores.values()]
    students = estimates.student_count
    counts = np.random.default_rng(seed).multinomial(students, np.full(students, 1 / students), size=resamples)
    orders = np.array([2 if name == "auc" else 1 for name in METRIC_NAMES])
    acceleration = bca_intervals.accelerations(statistics[0], students)
    yield "old", "one", bca_intervals.bca_intervals(statistics[0], counts, orders, acceleration)
    for name, (one, other) in PAIRS_OF_TWO.items():

        def difference(weights: Array, one: int = one, other: int = other) -> Array:
            return statistics[one](weights) - statistics[other](weights)

        yield "old", name, bca_intervals.percentile_intervals(difference, counts)


def simulate(students: int, accuracy: float, correlation: float, classes: int, resamples: int) -> list[Row]:
    """Return the coverage and mean width of every interval over many classes of one kind."""
    truth = true_metrics(accuracy, correlation)
    true_of = {"one": truth[0]} | {name: truth[one] - truth[other] for name, (one, other) in PAIRS_OF_TWO.items()}
    rows = pair_table(students)
    same = rows["same"].to_numpy() == 1
    held: dict[tuple[str, str], list[Any]] = {}
    widths: dict[tuple[str, str], list[Any]] = {}
    for number in range(classes):
        seed = [students, round(100 * accuracy), round(100 * correlation), number]
        logits = draw_logits(same, accuracy, correlation, np.random.default_rng(seed))
        scores = {name: rows.assign(logit=values) for name, values in zip(MODELS, logits, strict=True)}
        for method, what, found in intervals_by_method(scores, resamples, number):
            is_held = (found[:, 1] <= true_of[what] + 1e-9) & (true_of[what] - 1e-9 <= found[:, 2])
            held.setdefault((method, what), []).append(is_held)
            widths.setdefault((method, what), []).append(found[:, 2] - found[:, 1])
    return [
        {"students": students, "accuracy": accuracy, "icc": correlation, "method": method, "metric": title}
        | {"truth": round(float(true_of[what][column]), 4)}
        | {"held": round(float(np.mean(held[method, what], axis=0)[column]), 4)}
        | {"width": round(float(np.mean(widths[method, what], axis=0)[column]), 4)}
        for method, what in held
        for name in (SHOWN if what == "one" else COMPARED)
        for column, title in [(METRIC_NAMES.index(name), name if what == "one" else f"{name} {what}")]
    ]


def format_table(rows: list[Row]) -> str:
    """Format the rows as a Markdown table: a line per class and method; share held / mean width, in percent."""
    titles = list(dict.fromkeys(row["metric"] for row in rows))
    lines = [f"| students | accuracy | ICC | | {' | '.join(titles)} |", f"|{'--:|' * 3}:--|{'--:|' * len(titles)}"]
    cells: dict[tuple[Any, ...], list[str]] = {}
    for row in rows:
        key = (row["students"], f"{row['accuracy']:.0%}", row["icc"], row["method"])
        cells.setdefault(key, []).append(f"{100 * row['held']:.0f} / {100 * row['width']:.0f}")
    lines += [f"| {' | '.join(map(str, key))} | {' | '.join(texts)} |" for key, texts in cells.items()]
    return "\n".join(lines)


def main() -> None:
    """Simulate classes of several sizes, accuracies and correlations; print coverage and width."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.coverage", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--students", type=int, nargs="+", default=[5, 15, 30, 100], help="students of a class")
    parser.add_argument("--classes", type=int, default=400, help="simulated classes of each kind")
    parser.add_argument("--resamples", type=int, default=400, help="bootstrap resamples of each class")
    parser.add_argument("--json", type=Path, help="file for the numbers; by default they are printed")
    options = parser.parse_args()
    rows = [
        row
        for students in options.students
        for accuracy in ACCURACIES
        for correlation in (CORRELATIONS if accuracy < 1 else CORRELATIONS[:1])
        for row in simulate(students, accuracy, correlation, options.classes, options.resamples)
    ]
    print_results(rows, format_table(rows), options.json)


if __name__ == "__main__":
    main()
