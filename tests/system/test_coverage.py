"""Do 95 % intervals hold the truth 95 times in 100? Thousands of simulated classes tell.

`python -m benchmarks.coverage` does the same for every metric; its table is in docs/statistics.md.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr
from support.classes import answers, mean, skilled, truth

from shoepair.evaluation import comparison, intervals, roc_curve

CLASSES, BLOCKS, RESAMPLES = 100, 10, 400  # classes per block: each block has its own draws
LEVELS = [0.3, 1.5, 2.6, 3.5]  # of skill: balanced accuracies of 0.56, 0.77, 0.89, 0.95


def held(found: np.ndarray, value: float) -> np.ndarray:
    return (found[:, 1] <= value + 1e-9) & (value - 1e-9 <= found[:, 2])


@pytest.mark.parametrize("students", [5, 20, 60])
@pytest.mark.parametrize("level", LEVELS)
def test_intervals_cover_the_truth(students: int, level: float) -> None:
    rng = np.random.default_rng([students, int(10 * level)])
    hits: dict[str, list[np.ndarray]] = {"accuracy": [], "paired": [], "unpaired": []}
    for seed in range(BLOCKS):
        skill = rng.normal(size=(students, CLASSES))
        akin = 0.7 * skill + np.sqrt(1 - 0.7**2) * rng.normal(size=skill.shape)  # what is hard for both, in part
        both = np.hstack([skilled(skill, level, rng), skilled(akin, level + 0.7, rng)])
        strangers = skilled(rng.normal(size=skill.shape), level + 0.4, rng)
        estimates = intervals.estimate_by_bootstrap(mean(both), students, RESAMPLES, seed)
        accuracy = intervals.intervals_of(estimates)[:CLASSES]
        hits["accuracy"].append(held(accuracy, truth(level)))
        gain = intervals.paired_differences(estimates, range(CLASSES, 2 * CLASSES), range(CLASSES))
        hits["paired"].append(held(gain, truth(level + 0.7) - truth(level)))
        others = intervals.estimate_by_bootstrap(mean(strangers), students, RESAMPLES, seed)
        apart = intervals.unpaired_differences(intervals.intervals_of(others), accuracy)
        hits["unpaired"].append(held(apart, truth(level + 0.4) - truth(level)))
    covered = {name: float(np.mean(each)) for name, each in hits.items()}
    assert {name: share for name, share in covered.items() if share < 0.93} == {}


def test_plain_percentile_intervals_would_not() -> None:
    """Why there is more than a bootstrap: its quantiles hold the truth less often than they say."""
    rng = np.random.default_rng(1)
    students, hits = 20, []
    for seed in range(BLOCKS):
        values = skilled(rng.normal(size=(students, CLASSES)), 2.6, rng)
        drawn = mean(values)(intervals._draw_resample_counts(students, RESAMPLES, seed).astype(float))
        ends = np.quantile(drawn, [0.025, 0.975], axis=0)
        hits.append(held(np.stack([values.mean(axis=0), *ends], axis=1), truth(2.6)))
    assert np.mean(hits) < 0.93


@pytest.mark.parametrize(("students", "classes", "resamples"), [(20, 300, 300), (60, 200, 300)])
def test_intervals_of_the_area_cover_the_truth(students: int, classes: int, resamples: int) -> None:
    # Scores are N(1, 1) and N(-1, 1) plus what is the student's own, N(0, 0.8) for same and different pairs alike and
    # N(0, 0.6) for same ones alone. A same pair's and another student's different pair's differ by N(2, sqrt(3.64)).
    rng = np.random.default_rng(students)
    same = np.tile(np.array([1, 0, 0, 0, 1, 0, 0, 0, 1], dtype=bool), students)
    who = np.repeat(np.arange(students), 9)
    true = float(ndtr(2 / np.sqrt(3.64)))
    hits = []
    for seed in range(classes):
        shared, own = (np.repeat(rng.normal(0, width, students), 9) for width in (0.8, 0.6))
        logits = np.where(same, 1 + own, -1) + shared + rng.normal(0, 1, len(same))

        def statistic(weights: np.ndarray, logits: np.ndarray = logits) -> np.ndarray:
            return roc_curve.roc_auc(roc_curve.compute_roc_curves(same, logits, weights[:, who]))[:, None]

        estimates = intervals.estimate_by_bootstrap(statistic, students, resamples, seed)
        hits.append(held(intervals.intervals_of(estimates), true))
    assert np.mean(hits) >= 0.93


def test_intervals_of_a_difference_cover_the_truth() -> None:
    rng = np.random.default_rng(3)
    times = 300
    covered = 0.0
    for number in range(times):
        skill = rng.beta(8, 2, (60, 1))
        before, after = (rng.random((60, 6)) < skill + gain for gain in (0.0, 0.03))
        got = comparison.shared_count_and_accuracy_interval(answers(before), answers(after), 300, number)
        assert got is not None
        covered += float(got[2] <= np.mean(np.minimum(rng.beta(8, 2, 20000) + 0.03, 1)) - 0.8 <= got[3])
    assert covered / times >= 0.93
