"""Classes whose truth is known: students of differing skill, and what a model then says of their pairs."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shoepair.data import pairs


def scores_of(
    students: int, seed: int, *, split: str = "test_m", model: str = "cnn", noise: float = 1.2, first: int = 0
) -> pd.DataFrame:
    """A model that is right more often than not, differently per student."""
    names = [f"u{number}" for number in range(first, first + students)]
    frame = pd.DataFrame({"batch": "a", "student": names, "row": range(students), "split": split})
    rows = pairs.build(frame)
    rng = np.random.default_rng(seed)
    sign = np.where(rows["same"] == 1, 1, -1)
    return rows.assign(model=model, logit=(sign + rng.normal(0, noise, len(rows))).astype(np.float32))


def skilled(students: NDArray[np.float64], level: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """(T, K) standard normal skills to (T, K) balanced accuracies over three same and three different pairs each."""
    chance = 1 / (1 + np.exp(-(level + 1.2 * students)))
    return np.asarray((rng.binomial(3, chance) + rng.binomial(3, chance)) / 6)


def truth(level: float) -> float:
    """The balanced accuracy over all students there could be: the mean over a standard normal skill."""
    skills, weights = np.polynomial.hermite_e.hermegauss(80)
    return float(weights @ (1 / (1 + np.exp(-(level + 1.2 * skills)))) / weights.sum())
