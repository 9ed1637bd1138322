"""Metrics of scores: positive and negative accuracy, ROC and calibration, with intervals.

Positive accuracy is the share of same pairs called same (true positive rate); one minus it is the false *negative*
rate. Negative accuracy is the share of different pairs called different (true negative rate). Balanced accuracy is
their mean. Intervals are 95 %, over students (intervals.py).

The standard pairs are three same and three different ones of every student, as in the assignment. Metrics whose name
ends in `_all`, the ROC metrics and the calibration errors use all six different pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shoepair.data.naming import SPLITS
from shoepair.data.naming import TEST_SPLITS as TEST_SPLITS
from shoepair.data.schemas import make_student_keys
from shoepair.evaluation import calibration, intervals, roc_curve
from shoepair.evaluation.intervals import Estimates
from shoepair.evaluation.metric_names import METRIC_NAMES, interval_names

EVALUATED_SPLITS = tuple(split for split in SPLITS if split != "train")
BOTH_TESTS = "test"  # both test splits together
REPORTED_SPLITS = (*EVALUATED_SPLITS, BOTH_TESTS)
DIGITS = 4  # of every number written

Array = NDArray[np.float64]


def select_split_rows(scores: pd.DataFrame, split: str) -> pd.DataFrame:
    """Select the `Scores` rows of one split; "test" selects both test splits."""
    return scores[scores["split"].isin(TEST_SPLITS if split == BOTH_TESTS else (split,))]


def labels_and_logits(scores: pd.DataFrame) -> tuple[NDArray[np.bool_], NDArray[np.floating]]:
    """Return (P,) whether each pair is the same, and (P,) its logit, same minus different."""
    return scores["same"].to_numpy() == 1, scores["logit"].to_numpy()


def count_correct_per_student(scores: pd.DataFrame) -> NDArray[np.int64]:
    """Count correct and all pairs per student and label: (T, 2, 2), students ascending, same before different."""
    same = scores["same"] == 1
    correct = (scores["logit"] > 0) == same
    columns = {"a": same & correct, "b": same, "c": ~same & correct, "d": ~same}
    return pd.DataFrame(columns).groupby(make_student_keys(scores)).sum().to_numpy(np.int64).reshape(-1, 2, 2)


def accuracies_from_counts(counts: NDArray[Any]) -> Array:
    """Convert (..., 2, 2) counts to (3, ...) accuracies: positive, negative, balanced."""
    share = counts[..., 0] / counts[..., 1]
    return np.stack([share[..., 0], share[..., 1], share.mean(axis=-1)])


class WeightedMetrics:
    """All `METRIC_NAMES` of one model on one split as a function of student weights: a bootstrap statistic.

    Args:
        scores: `Scores` rows of one model and one split, one student or more.
    """

    def __init__(self, scores: pd.DataFrame) -> None:
        self._standard_counts = count_correct_per_student(scores[scores["standard"]])
        self._all_counts = count_correct_per_student(scores)
        self._same, self._logits = labels_and_logits(scores)
        index, students = pd.factorize(make_student_keys(scores), sort=True)
        self._student_index = np.asarray(index)  # (P,) column of `weights`
        self.student_count, self.pair_count = len(students), len(scores)

    def __call__(self, weights: Array) -> Array:
        """Convert (R, T) student weights to (R, 9) metrics."""
        standard = accuracies_from_counts(np.tensordot(weights, self._standard_counts, axes=1))  # (3, R)
        all_pairs = accuracies_from_counts(np.tensordot(weights, self._all_counts, axes=1))[1:]  # (2, R)
        roc = intervals.evaluate_in_chunks(self._roc_metrics, weights, self.pair_count)  # (R, 4)
        return np.concatenate([standard, all_pairs, roc.T]).T

    def _roc_metrics(self, weights: Array) -> Array:
        curves = roc_curve.compute_roc_curves(self._same, self._logits, weights[:, self._student_index])
        rates = [roc_curve.tpr_at_fpr(curves, fpr) for fpr in (0.01, 0.05)]
        return np.stack([roc_curve.roc_auc(curves), roc_curve.equal_error_rate(curves), *rates], axis=1)


def estimate_metrics(scores_by_model: Mapping[Any, pd.DataFrame], resamples: int, seed: int) -> Estimates:
    """Return all metrics of some models on the same students, the `METRIC_NAMES` of each model in turn.

    Args:
        scores_by_model: `Scores` rows of each model, of one split, one student or more.
        resamples: number of bootstrap resamples.
        seed: of the resamples.
    """
    statistics = [WeightedMetrics(scores) for scores in scores_by_model.values()]

    def all_metrics(weights: Array) -> Array:
        return np.concatenate([statistic(weights) for statistic in statistics], axis=1)

    return intervals.estimate_by_bootstrap(all_metrics, statistics[0].student_count, resamples, seed)


def compute_metrics(scores: pd.DataFrame, resamples: int, seed: int) -> dict[str, Any]:
    """Compute all metrics of one model on one split, with 95 % intervals, as a dict.

    Args:
        scores: `Scores` rows of one model and one split, one student or more.
        resamples: number of bootstrap resamples.
        seed: of the resamples.

    Returns:
        `students`, `pairs`; for the standard pairs `positive`, `negative`, `balanced`; for all six different pairs
        `negative_all`, `balanced_all`, `auc` (ROC AUC), `eer` (equal error rate), `tpr_1`, `tpr_5` (true positive rate
        at 1 % and 5 % false positive rate); each with its interval as `<name>_low` and `<name>_high`, but `low`,
        `high` for `balanced` and `low_all`, `high_all` for `balanced_all`. All 0..1, four digits.
    """
    numbers: dict[str, Any] = {"students": make_student_keys(scores).nunique(), "pairs": len(scores)}
    estimates = estimate_metrics({"": scores}, resamples, seed)
    return numbers | intervals_to_dict(METRIC_NAMES, intervals.intervals_of(estimates))


def intervals_to_dict(metric_names: Sequence[str], estimates: Array) -> dict[str, float]:
    """Convert (K, 3) value, low, high to a dict of rounded numbers by name."""
    numbers: dict[str, float] = {}
    for name, (value, low, high) in zip(metric_names, estimates.round(DIGITS).tolist(), strict=True):
        numbers |= dict(zip(interval_names(name), (value, low, high), strict=True))
    return numbers


def fit_temperature_on_valid(scores: pd.DataFrame) -> float:
    """Fit the temperature of one model (`Scores` rows) on its students of valid; 1 where none helps."""
    rows = select_split_rows(scores, "valid")
    return calibration.fit_temperature_where_it_helps(*labels_and_logits(rows), make_student_keys(rows).to_numpy())


def calibration_error_before_and_after(scores: pd.DataFrame, temperature: float) -> dict[str, float]:
    """Return the expected calibration error before (`ece`) and after (`ece_calibrated`) temperature scaling."""
    same, logits = labels_and_logits(scores)
    errors = {}
    for name, divisor in (("ece", 1.0), ("ece_calibrated", temperature)):
        probabilities = calibration.calibrated_probabilities(logits, divisor)
        errors[name] = round(calibration.expected_calibration_error(same, probabilities), DIGITS)
    return errors


def estimates_by_split(scores: pd.DataFrame, models: list[str], resamples: int, seed: int) -> dict[str, Estimates]:
    """Return the metrics of all models on valid, test_m, test_w and both tests; empty splits are left out.

    Args:
        scores: `Scores` rows; all models scored the same pairs.
        models: in the order of params.yaml.
        resamples: number of bootstrap resamples.
        seed: of the resamples.
    """
    estimates = {}
    for split in REPORTED_SPLITS:
        rows = select_split_rows(scores, split)
        if len(rows):
            estimates[split] = estimate_metrics(
                {model: rows[rows["model"] == model] for model in models}, resamples, seed
            )
    return estimates


def metrics_by_model_and_split(
    scores: pd.DataFrame, models: list[str], estimates: Mapping[str, Estimates]
) -> dict[str, Any]:
    """Return model -> split -> metrics as of `compute_metrics` and `calibration_error_before_and_after`.

    Args:
        scores: `Scores` rows.
        models: in the order of params.yaml.
        estimates: returned by `estimates_by_split` for these.
    """
    details: dict[str, Any] = {model: {} for model in models}
    for split, estimated in estimates.items():
        by_model = np.split(intervals.intervals_of(estimated), len(models))
        for model, metric_intervals in zip(models, by_model, strict=True):
            model_rows = scores[scores["model"] == model]
            rows = select_split_rows(model_rows, split)
            counts = {"students": estimated.student_count, "pairs": len(rows)}
            errors = calibration_error_before_and_after(rows, fit_temperature_on_valid(model_rows))
            details[model][split] = counts | intervals_to_dict(METRIC_NAMES, metric_intervals) | errors
    return details


def select_best_model(metrics_by_model: dict[str, Any]) -> str:
    """Return the model with the best balanced accuracy on valid, the first one if equal."""
    return max(metrics_by_model, key=lambda model: float(metrics_by_model[model]["valid"]["balanced"]))


def headline_metrics(metrics_by_model: dict[str, Any]) -> dict[str, Any]:
    """Select the few metrics that `dvc metrics show` and `diff` and `dvc exp show` print.

    Returns:
        `best`: the best model by validation and its balanced accuracy on every split; then model -> split -> balanced
        accuracy on the standard pairs. Both tests together are in the details only.
    """
    best = select_best_model(metrics_by_model)
    table = {
        model: {split: numbers["balanced"] for split, numbers in by_split.items() if split in EVALUATED_SPLITS}
        for model, by_split in metrics_by_model.items()
    }
    return {"best": {"model": best, **table[best]}, **table}
