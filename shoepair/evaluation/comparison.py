"""Differences between models, and between men's and women's shoes, with intervals; a verdict in words."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from shoepair.data.schemas import make_student_keys
from shoepair.evaluation import bootstrap, metrics
from shoepair.evaluation.bootstrap import MIN_STUDENTS, Array
from shoepair.evaluation.metric_names import BASELINE_MODEL, COMPARED_METRICS, METRIC_ORDERS, differences_against

COMPARED_COLUMNS = [list(METRIC_ORDERS).index(name) for name in COMPARED_METRICS]


def compare_models(scores: pd.DataFrame, models: list[str], resamples: int, seed: int) -> dict[str, Any]:
    """Evaluate and compare all models; returns the content of `metrics/details.json`.

    Arguments as those of `metrics.metrics_by_model_and_split`.

    Returns:
        `best` model by validation; `verdict`: `short` and `text` of `baseline_verdict_and_sentence`; `models`: see
        `metrics.metrics_by_model_and_split`; `temperatures` by model; `differences`: see `list_split_differences`;
        `kinds`: see `men_minus_women_by_model`.
    """
    details = metrics.metrics_by_model_and_split(scores, models, resamples, seed)
    differences = list_split_differences(scores, models, resamples, seed)
    best = metrics.select_best_model(details)
    short, text = baseline_verdict_and_sentence(differences, models, best)
    temperatures = {model: metrics.fit_temperature_on_valid(scores[scores["model"] == model]) for model in models}
    return {
        "best": best,
        "verdict": {"short": short, "text": text},
        "models": details,
        "temperatures": temperatures,
        "differences": differences,
        "kinds": men_minus_women_by_model(scores, models, resamples, seed),
    }


def shared_count_and_accuracy_interval(
    scores_before: pd.DataFrame, scores_after: pd.DataFrame, resamples: int, seed: int
) -> tuple[int, float, float, float] | None:
    """Return the paired difference in balanced accuracy of two sets of scores, on the students both contain.

    Paired bootstrap: both sides resample the same students, so that what makes a student hard for both cancels. Scores
    that are equal to the last digit come from one model: the difference is exactly 0.

    Args:
        scores_before: `Scores` rows of one model and one split.
        scores_after: likewise, of another model or another revision.
        resamples: number of bootstrap resamples.
        seed: of the resamples.

    Returns:
        Number of shared students, difference of the balanced accuracy on the standard pairs (after minus before), low
        and high end of its 95 % interval; None where no student is shared.
    """
    sides = [rows[rows["standard"]].assign(key=make_student_keys) for rows in (scores_before, scores_after)]
    shared = set(sides[0]["key"]) & set(sides[1]["key"])
    if not shared:
        return None
    sides = [side[side["key"].isin(shared)].sort_values("key", kind="stable") for side in sides]
    old, new = (side[["same", "logit"]].to_numpy() for side in sides)
    if np.array_equal(old, new):
        return len(shared), 0.0, 0.0, 0.0
    counts = [metrics.count_correct_per_student(side) for side in sides]  # (T, 2, 2) each

    def difference(weights: Array) -> Array:
        totals = (np.tensordot(weights, count, axes=1) for count in counts)  # (R, 2, 2) each
        before, after = (metrics.accuracies_from_counts(total)[2] for total in totals)  # (R,) each
        return np.asarray(after - before)[:, None]

    value, low, high = bootstrap.paired_differences_and_intervals(difference, len(shared), resamples, seed)[0].tolist()
    return len(shared), value, low, high


def list_split_differences(scores: pd.DataFrame, models: list[str], resamples: int, seed: int) -> list[dict[str, Any]]:
    """Compare every two models on every split: metric differences (later minus earlier model) with intervals.

    All models scored the same pairs; arguments as those of `metrics.metrics_by_model_and_split`.

    Returns:
        One entry per two models and split with students: `model`, `against`, `split`, `students`, and the differences
        of `balanced`, `balanced_all` and `auc` with their intervals, named as in `metrics.compute_metrics`.
    """
    entries: list[dict[str, Any]] = []
    for split in metrics.REPORTED_SPLITS:
        rows = metrics.select_split_rows(scores, split)
        parts = {model: rows[rows["model"] == model] for model in models}
        by_model = {model: metrics.WeightedMetrics(part) for model, part in parts.items() if len(part)}
        for (earlier, later), differences in differences_by_model_pair(by_model, resamples, seed).items():
            entry = {"model": later, "against": earlier, "split": split, "students": by_model[later].student_count}
            entries.append(entry | differences)
    return entries


def differences_by_model_pair(
    metrics_by_model: dict[str, metrics.WeightedMetrics], resamples: int, seed: int
) -> dict[tuple[str, str], dict[str, float]]:
    """Return the metric differences of every two models with paired intervals: (earlier, later) -> later - earlier.

    Metrics: `balanced`, `balanced_all`, `auc`. All models are evaluated on the same students.
    """
    if len(metrics_by_model) < 2:
        return {}

    def differences(weights: Array) -> Array:  # each model is evaluated once: (R, 3 per two models)
        values = [statistic(weights)[:, COMPARED_COLUMNS] for statistic in metrics_by_model.values()]
        return np.concatenate([later - earlier for earlier, later in combinations(values, 2)], axis=1)

    student_count = next(iter(metrics_by_model.values())).student_count
    intervals = bootstrap.paired_differences_and_intervals(differences, student_count, resamples, seed)
    parts = np.split(intervals, len(intervals) // len(COMPARED_METRICS))  # (3, 3) each
    dicts = [metrics.intervals_to_dict(list(COMPARED_METRICS), part) for part in parts]
    return dict(zip(combinations(metrics_by_model, 2), dicts, strict=True))


def men_minus_women_by_model(scores: pd.DataFrame, models: list[str], resamples: int, seed: int) -> dict[str, Any]:
    """Return each model's metrics on men's shoes (test_m) minus women's (test_w), with unpaired intervals.

    Returns:
        model -> `students_m`, `students_w`, and the differences of `balanced`, `balanced_all` and `auc`, named as in
        `metrics.compute_metrics`; or {"left_out": reason}, where a split has no students.
    """
    empty = [split for split in metrics.TEST_SPLITS if not len(metrics.select_split_rows(scores, split))]
    if empty:
        return {"left_out": f"no students in {' and '.join(empty)}"}
    table: dict[str, Any] = {}
    for model in models:
        sides = [metrics.select_split_rows(scores[scores["model"] == model], split) for split in metrics.TEST_SPLITS]
        estimates = (metrics.metric_intervals(side, resamples, seed)[COMPARED_COLUMNS] for side in sides)
        intervals = bootstrap.differences_of_intervals(*estimates)
        men, women = (int(make_student_keys(side).nunique()) for side in sides)
        counts = {"students_m": men, "students_w": women}
        table[model] = counts | metrics.intervals_to_dict(list(COMPARED_METRICS), intervals)
    return table


def baseline_verdict_and_sentence(
    differences: list[dict[str, Any]], models: list[str], best_model: str
) -> tuple[str, str]:
    """Say whether the best model beats the baseline on both test splits together: its interval lies above 0.

    Args:
        differences: returned by `list_split_differences`.
        models: the trained models.
        best_model: the best of them by validation.

    Returns:
        A short text for a narrow table, and one with the numbers.
    """
    if BASELINE_MODEL not in models:
        return "no baseline trained", f"{BASELINE_MODEL} was not trained: {best_model} is compared with nothing"
    if best_model == BASELINE_MODEL:
        return f"{BASELINE_MODEL} is best", f"by validation no network is better than {BASELINE_MODEL}"
    entries = differences_against(differences, best_model, BASELINE_MODEL)
    entry = next((entry for entry in entries if entry["split"] == metrics.BOTH_TESTS), None)
    if entry is None:
        return "no test students", f"{best_model} and {BASELINE_MODEL} were evaluated on no test student"
    difference, low, high = (entry[name] for name in ("balanced_all", "low_all", "high_all"))
    text = f"{difference:+.1%} balanced accuracy ({low:+.1%} to {high:+.1%}) over {entry['students']} test students"
    if entry["students"] < MIN_STUDENTS:
        return "too few test students", f"{best_model} against {BASELINE_MODEL}: {text}, too few for a conclusion"
    how = "clearly better than" if low > 0 else "clearly worse than" if high < 0 else "not clearly better than"
    return f"{how} {BASELINE_MODEL}", f"{best_model} is {how} {BASELINE_MODEL}: {text}"
