"""Sure answers: the lowest threshold at which few students get a wrong answer, with confidence.

The pairs of a student share shoes, floor and light, so students are counted, not pairs: of the students who get an
answer, one counts as wrong if any of the answers is. A threshold is safe if the exact 95 % upper limit of the share of
wrong students (Clopper and Pearson, 1934) is 5 % at most: with no wrong student that takes 59, with one wrong 93.

Thresholds are tried from the highest one that answers 59 students downwards, up to the first that is not safe ("fixed
sequence testing", Angelopoulos et al.: "Learn then test", Annals of Applied Statistics 2025). The start and the order
follow from the probabilities alone, not from the labels, so that the confidence holds although several are tried.
"""

from __future__ import annotations

from math import log

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import betaincinv

from shoepair.runtime.params import StrictModel

MAX_WRONG_SHARE = 0.05  # of the students who get a sure answer
CONFIDENCE = 0.95
LEAST_STUDENTS = int(np.ceil(log(1 - CONFIDENCE) / log(1 - MAX_WRONG_SHARE)))  # 59, none of them wrong
DECIMALS = 6  # of a threshold


class StudentErrors(StrictModel):
    """Students who got an answer, those with a wrong one among them, and the 95 % interval of their share."""

    students: int = Field(ge=0)
    wrong: int = Field(ge=0)
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)


def count_student_errors(students: NDArray[np.object_], is_wrong: NDArray[np.bool_]) -> StudentErrors:
    """Count students with an answer and those with a wrong one.

    Args:
        students: (A,) the student of each answer.
        is_wrong: (A,) whether it is wrong.
    """
    count, wrong = len(set(students)), len(set(students[is_wrong]))
    tail = (1 - CONFIDENCE) / 2
    low = float(betaincinv(wrong, count - wrong + 1, tail)) if wrong else 0.0
    high = upper_limit(wrong, count, tail)
    return StudentErrors(students=count, wrong=wrong, low=round(low, 4), high=round(high, 4))


def upper_limit(wrong: int, count: int, tail: float = 1 - CONFIDENCE) -> float:
    """Return the exact upper limit of a share, of which `wrong` of `count` were seen (Clopper and Pearson)."""
    return float(betaincinv(wrong + 1, count - wrong, 1 - tail)) if wrong < count else 1.0


def lowest_sure_threshold(
    students: NDArray[np.object_], is_right: NDArray[np.bool_], probabilities: NDArray[np.float64]
) -> float | None:
    """Return the lowest threshold above which an answer is sure.

    Args:
        students: (P,) the student of each pair.
        is_right: (P,) whether the answer would be right.
        probabilities: (P,) of the answer; it is given above the threshold, not at it.

    Returns:
        0.5 or more, six decimals; None where no threshold is safe.
    """
    names, index = np.unique(students, return_inverse=True)
    # Of each student: the highest probability, and the highest of a wrong answer. Above it none is wrong.
    highest, highest_wrong = np.zeros(len(names)), np.zeros(len(names))
    np.maximum.at(highest, index, probabilities)
    np.maximum.at(highest_wrong, index, np.where(is_right, 0, probabilities))
    scale = 10**DECIMALS
    candidates = np.ceil(np.append(highest, highest_wrong) * scale) / scale  # where another student gets an answer
    candidates = np.unique(np.append(candidates[candidates > 0.5], 0.5))[::-1]
    safe = None
    for threshold in candidates:
        count = int((highest > threshold).sum())
        if count < LEAST_STUDENTS:
            continue
        if upper_limit(int((highest_wrong > threshold).sum()), count) > MAX_WRONG_SHARE:
            break
        safe = float(round(threshold, DECIMALS))
    return safe
