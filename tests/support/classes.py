"""Simulated classes with a known true accuracy: students of differing difficulty, and a model's scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shoepair.data import naming, pairs
from shoepair.evaluation import intervals
from shoepair.ingestion import splits
from shoepair.runtime.errors import ShoepairError


def scores_of(
    students: int, seed: int, *, split: str = "test_m", model: str = "cnn", noise: float = 1.2, first: int = 0
) -> pd.DataFrame:
    """Return scores of a model that is right more often than not."""
    names = [f"u{number}" for number in range(first, first + students)]
    frame = pd.DataFrame({"batch": "a", "student": names, "row": range(students), "split": split})
    rows = pairs.build_pair_rows(frame)
    rng = np.random.default_rng(seed)
    sign = np.where(rows["same"] == 1, 1, -1)
    return rows.assign(model=model, logit=(sign + rng.normal(0, noise, len(rows))).astype(np.float32))


def answers(right: np.ndarray, first: int = 0) -> pd.DataFrame:
    """Return scores of students with three same and three different pairs; `right` (T, 6): which are right."""
    same = np.tile([1, 1, 1, 0, 0, 0], len(right))
    logit = np.where(right.ravel(), 1.0, -1.0) * np.where(same == 1, 1, -1)
    students = np.repeat([f"u{number:04}" for number in range(first, first + len(right))], 6)
    return pd.DataFrame({"batch": "b", "student": students, "same": same, "logit": logit, "standard": True})


def skilled(students: NDArray[np.float64], level: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw balanced accuracies (T, K) over three same and three different pairs from standard normal skills (T, K)."""
    chance = 1 / (1 + np.exp(-(level + 1.2 * students)))
    return np.asarray((rng.binomial(3, chance) + rng.binomial(3, chance)) / 6)


def truth(level: float) -> float:
    """Return the true balanced accuracy: the mean over a standard normal skill."""
    skills, weights = np.polynomial.hermite_e.hermegauss(80)
    return float(weights @ (1 / (1 + np.exp(-(level + 1.2 * skills)))) / weights.sum())


SPLIT = pd.DataFrame(
    {
        "batch": ["a", "a", "a", "b", "b"],
        "student": ["u1", "u2", "u3", "u7", "u8"],
        "row": [0, 1, 2, 0, 1],
        "split": ["test_w", "train", "valid", "test_m", "train"],
    }
)


def photo_rows(students: list[str], folder: str = "train", category: str = "m") -> pd.DataFrame:
    """Return `AcceptedPhotos` rows of students."""
    return pd.DataFrame(
        [
            {"path": f"{student}{pair}{side}", "subset": folder, "student": student, "pair": pair, "side": side}
            | {"category": category, "bytes": 1, "sha256": f"{student}{pair}{side}"}
            for student in students
            for pair, side in naming.SHOE_KEYS
        ]
    )


def mean(values: np.ndarray) -> intervals.Statistic:
    """Return the statistic "weighted mean over students" of K classes at once, from values (T, K)."""
    return lambda weights: weights @ values / weights.sum(axis=1, keepdims=True)


def advised(accepted: dict[str, pd.DataFrame], salt: str, valid: float) -> str:
    """Return the fix that the error of an empty split suggests; "" if none is empty."""
    try:
        splits.assign_splits_by_hash(accepted, salt, valid)
    except ShoepairError as error:
        return error.fix
    return ""
