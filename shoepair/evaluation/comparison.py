"""Differences between models, and between men's and women's shoes, with intervals; a verdict in words."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from shoepair.data.schemas import make_student_keys
from shoepair.data.wording import count_with_noun
from shoepair.evaluation import intervals, metrics
from shoepair.evaluation.intervals import Array, Estimates
from shoepair.evaluation.metric_names import (
    BASELINE_MODEL,
    COMPARED_METRICS,
    METRIC_NAMES,
    differences_against,
    format_difference,
)

COMPARED_COLUMNS = [METRIC_NAMES.index(name) for name in COMPARED_METRICS]


def compare_models(scores: pd.DataFrame, models: list[str], resamples: int, seed: int) -> dict[str, Any]:
    """Evaluate and compare all models; returns the content of `metrics/details.json`.

    Arguments as those of `metrics.estimates_by_split`.

    Returns:
        `best` model by validation; `verdict`: `short` and `text` of `baseline_verdict_and_sentence`; `models`: see
        `metrics.metrics_by_model_and_split`; `temperatures` by model; `differences`: see `list_split_differences`;
        `kinds`: see `men_minus_women_by_model`.
    """
    estimates = metrics.estimates_by_split(scores, models, resamples, seed)
    details = metrics.metrics_by_model_and_split(scores, models, estimates)
    differences = list_split_differences(estimates, models)
    best = metrics.select_best_model(details)
    short, text = baseline_verdict_and_sentence(differences, models, best)
    temperatures = {model: metrics.fit_temperature_on_valid(scores[scores["model"] == model]) for model in models}
    return {
        "best": best,
        "verdict": {"short": short, "text": text},
        "models": details,
        "temperatures": temperatures,
        "differences": differences,
        "kinds": men_minus_women_by_model(estimates, models),
    }


def shared_count_and_accuracy_interval(
    scores_before: pd.DataFrame, scores_after: pd.DataFrame, resamples: int, seed: int
) -> tuple[int, float, float, float] | None:
    """Return the paired difference in balanced accuracy of two sets of scores, on the students both contain.

    What makes a student hard for both cancels, see `intervals.paired_differences`. Scores that are equal to the last
    digit come from one model: the difference is exactly 0.

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

    def both_accuracies(weights: Array) -> Array:
        totals = (np.tensordot(weights, count, axes=1) for count in counts)  # (R, 2, 2) each
        return np.stack([metrics.accuracies_from_counts(total)[2] for total in totals], axis=1)  # (R, 2)

    estimates = intervals.estimate_by_bootstrap(both_accuracies, len(shared), resamples, seed)
    value, low, high = intervals.paired_differences(estimates, [1], [0])[0].tolist()
    return len(shared), value, low, high


def list_split_differences(estimates: Mapping[str, Estimates], models: list[str]) -> list[dict[str, Any]]:
    """Compare every two models on every split: metric differences (later minus earlier model) with intervals.

    Args:
        estimates: returned by `metrics.estimates_by_split`.
        models: in the same order.

    Returns:
        One entry per two models and split with students: `model`, `against`, `split`, `students`, and the differences
        of `balanced`, `balanced_all` and `auc` with their intervals, named as in `metrics.compute_metrics`.
    """
    entries: list[dict[str, Any]] = []
    for split, estimated in estimates.items():
        for earlier, later in combinations(range(len(models)), 2):
            names = {"model": models[later], "against": models[earlier], "split": split}
            differences = paired_metric_differences(estimated, later, earlier)
            entries.append({**names, "students": estimated.student_count, **differences})
    return entries


def paired_metric_differences(estimates: Estimates, later: int, earlier: int) -> dict[str, float]:
    """Return the differences of `balanced`, `balanced_all` and `auc`, later minus earlier model, with intervals.

    Args:
        estimates: returned by `metrics.estimate_metrics`.
        later: position of the model among those that were estimated.
        earlier: likewise, of the one that is subtracted.
    """
    sides = ([model * len(METRIC_NAMES) + column for column in COMPARED_COLUMNS] for model in (later, earlier))
    return metrics.intervals_to_dict(COMPARED_METRICS, intervals.paired_differences(estimates, *sides))


def men_minus_women_by_model(estimates: Mapping[str, Estimates], models: list[str]) -> dict[str, Any]:
    """Return each model's metrics on men's shoes (test_m) minus women's (test_w), with unpaired intervals.

    Arguments as those of `list_split_differences`.

    Returns:
        model -> `students_m`, `students_w`, and the differences of `balanced`, `balanced_all` and `auc`, named as in
        `metrics.compute_metrics`; or {"left_out": reason}, where a split has no students.
    """
    if len(metrics.TEST_SPLITS) != 2:
        return {"left_out": "there are not two test splits"}
    empty = [split for split in metrics.TEST_SPLITS if split not in estimates]
    if empty:
        return {"left_out": f"no students in {' and '.join(empty)}"}
    men, women = (estimates[split] for split in metrics.TEST_SPLITS)
    counts = {"students_m": men.student_count, "students_w": women.student_count}
    sides = (np.split(intervals.intervals_of(side), len(models)) for side in (men, women))
    return {
        model: counts
        | metrics.intervals_to_dict(
            COMPARED_METRICS, intervals.unpaired_differences(of_men[COMPARED_COLUMNS], of_women[COMPARED_COLUMNS])
        )
        for model, of_men, of_women in zip(models, *sides, strict=True)
    }


def baseline_verdict_and_sentence(
    differences: list[dict[str, Any]], models: list[str], best_model: str
) -> tuple[str, str]:
    """Say whether the best model beats the baseline on both test splits together: its interval lies above 0.

    Args:
        differences: returned by `list_split_differences`.
        models: the trained models.
        best_model: the best of them by validation.

    Returns:
        The verdict with its number, and a sentence that names the model and the students too.
    """
    if BASELINE_MODEL not in models:
        return "no baseline trained", f"{BASELINE_MODEL} was not trained: {best_model} is compared with nothing"
    if best_model == BASELINE_MODEL:
        return f"{BASELINE_MODEL} is best", f"by validation no network is better than {BASELINE_MODEL}"
    entries = differences_against(differences, best_model, BASELINE_MODEL)
    entry = next((entry for entry in entries if entry["split"] == metrics.BOTH_TESTS), None)
    if entry is None:
        return "no test students", f"{best_model} and {BASELINE_MODEL} were evaluated on no test student"
    low, high = entry["low_all"], entry["high_all"]
    how = "clearly better than" if low > 0 else "clearly worse than" if high < 0 else "not clearly better than"
    points = format_difference(entry, "balanced_all")
    text = f"{points} of balanced accuracy, over {count_with_noun(entry['students'], 'test student')}"
    return f"{how} {BASELINE_MODEL}: {points}", f"{best_model} is {how} {BASELINE_MODEL}: {text}"
