"""Scores -> accuracies, positive and negative apart, with intervals.

Positive accuracy is the share of same pairs called same (true positive rate); one minus it is the false *negative*
rate. Negative accuracy is the share of different pairs called different (true negative rate). Balanced accuracy is
their mean. Intervals are 95 %, from a bootstrap over students: a student's nine pairs share shoes, floor and light,
so the pairs are not independent and the students are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandera.typing import Series
from torch import nn

from shoepair.batches import PairData
from shoepair.inference import logits
from shoepair.pairs import Pairs
from shoepair.splits import SPLITS

MEASURED = tuple(split for split in SPLITS if split != "train")
BATCH = 32  # pairs scored at a time; no result depends on it
LEVEL = 0.95  # of every interval
DIGITS = 4  # of every number written: below the last digit lies rounding, not a result


class Scores(Pairs):
    """One row per model and pair: what the model says of the pair."""

    model: Series[str]
    logit: Series[np.float32]  # same minus different; above 0 the pair is called same


def score(models: Mapping[str, nn.Module], rows: pd.DataFrame, data: PairData) -> pd.DataFrame:
    """Ask every model about every pair.

    Args:
        models: name -> network.
        rows: `Pairs` rows.
        data: the same pairs with their photos.

    Returns:
        `Scores` rows, model after model.
    """
    answers = {name: logits(model, data, BATCH).numpy() for name, model in models.items()}
    return pd.concat([rows.assign(model=name, logit=both[:, 1] - both[:, 0]) for name, both in answers.items()])


def metrics(scores: pd.DataFrame, resamples: int, seed: int) -> dict[str, Any]:
    """Accuracies of one model on one set of students.

    Args:
        scores: `Scores` rows of one model and one split, one student or more.
        resamples: bootstrap draws.
        seed: of the draws.

    Returns:
        `students`, `pairs`, and for the standard pairs `positive`, `negative`, `balanced` with its interval `low`,
        `high`; for all six different pairs `negative_all`, `balanced_all`, `low_all`, `high_all`. All 0..1.
    """
    standard = tally(scores[scores["standard"]])
    everything = tally(scores)
    positive, negative, balanced = (float(value) for value in _accuracies(standard.sum(axis=0)))
    _, negative_all, balanced_all = (float(value) for value in _accuracies(everything.sum(axis=0)))
    low, high = _interval(standard, resamples, seed)
    low_all, high_all = _interval(everything, resamples, seed)
    numbers = {"positive": positive, "negative": negative, "balanced": balanced, "low": low, "high": high}
    numbers |= {"negative_all": negative_all, "balanced_all": balanced_all, "low_all": low_all, "high_all": high_all}
    rounded = {name: round(value, DIGITS) for name, value in numbers.items()}
    return {"students": len(standard), "pairs": len(scores), **rounded}


def tally(scores: pd.DataFrame) -> NDArray[np.int64]:
    """(T, 2, 2) counts: student, (same, different) pairs, (right, all)."""
    same = scores["same"] == 1
    right = (scores["logit"] > 0) == same
    columns = {"a": same & right, "b": same, "c": ~same & right, "d": ~same}
    students = scores["batch"] + "/" + scores["student"]
    return pd.DataFrame(columns).groupby(students).sum().to_numpy(np.int64).reshape(-1, 2, 2)


def _accuracies(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """(..., 2, 2) counts to (3, ...): positive, negative, balanced."""
    share = counts[..., 0] / counts[..., 1]
    return np.stack([share[..., 0], share[..., 1], share.mean(axis=-1)])


def _draws(students: int, resamples: int, seed: int) -> NDArray[np.int64]:
    """(R, T): how often each student is drawn in each resample."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(students, np.full(students, 1 / students), size=resamples)


def _interval(counts: NDArray[np.int64], resamples: int, seed: int) -> tuple[float, float]:
    """Percentile bootstrap over students of the balanced accuracy."""
    drawn = np.tensordot(_draws(len(counts), resamples, seed), counts, axes=1)  # (R, 2, 2)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(_accuracies(drawn)[2], [tail, 1 - tail])
    return float(low), float(high)


def difference(
    before: pd.DataFrame, after: pd.DataFrame, resamples: int, seed: int
) -> tuple[int, float, float, float] | None:
    """How much better one set of answers is than another, on the students that both are about.

    Paired percentile bootstrap: both sides draw the same students, so that what makes a student hard for both cancels
    (Efron and Tibshirani: "An Introduction to the Bootstrap", 1993, chapter 13).

    Args:
        before: `Scores` rows of one model and one set.
        after: likewise, of another model or another revision.
        resamples: bootstrap draws.
        seed: of the draws.

    Returns:
        Shared students, difference of the balanced accuracy on the standard pairs (after minus before), and the ends
        of its 95 % interval; or None where no student is shared.
    """
    sides = [rows[rows["standard"]].assign(who=rows["batch"] + "/" + rows["student"]) for rows in (before, after)]
    shared = set(sides[0]["who"]) & set(sides[1]["who"])
    if not shared:
        return None
    tallies = np.stack([tally(side[side["who"].isin(shared)]) for side in sides], axis=1)  # (T, 2 sides, 2, 2)
    drawn = np.tensordot(_draws(len(shared), resamples, seed), tallies, axes=1)  # (R, 2 sides, 2, 2)
    gained = np.diff(_accuracies(drawn)[2], axis=1)[:, 0]  # (R,)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(gained, [tail, 1 - tail])
    sums = _accuracies(tallies.sum(axis=0))[2]
    return len(shared), float(sums[1] - sums[0]), float(low), float(high)


def evaluate(scores: pd.DataFrame, models: list[str], resamples: int, seed: int) -> dict[str, Any]:
    """Accuracies of every model on valid, test_m and test_w; a set without students is left out.

    Args:
        scores: `Scores` rows.
        models: in the order of params.yaml.
        resamples: bootstrap draws.
        seed: of the draws, the same for all models.

    Returns:
        model -> set -> what `metrics` returns.
    """
    return {
        model: {
            split: metrics(rows, resamples, seed)
            for split in MEASURED
            if len(rows := scores[(scores["model"] == model) & (scores["split"] == split)])
        }
        for model in models
    }


def headline(details: dict[str, Any]) -> dict[str, Any]:
    """The few numbers that `dvc metrics show`, `dvc metrics diff` and `dvc exp show` print side by side.

    Args:
        details: what `evaluate` returns.

    Returns:
        `best`: the model with the best validation accuracy, and its balanced accuracy on every set; then for every
        model and set the balanced accuracy on the standard pairs.
    """
    best = max(details, key=lambda model: float(details[model]["valid"]["balanced"]))  # the first one if equal
    table = {model: {split: each["balanced"] for split, each in sets.items()} for model, sets in details.items()}
    return {"best": {"model": best, **table[best]}, **table}
