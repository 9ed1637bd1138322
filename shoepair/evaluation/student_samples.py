"""Samples of students, for what a part of a large class answers as well as all of it.

A student is in the sample, or not, by a hash of batch and id, so that a new batch changes little of it.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shoepair.data.schemas import make_student_keys


def select_students(rows: pd.DataFrame, count: int) -> NDArray[np.bool_]:
    """Return which rows (columns `batch`, `student`) are of a sample of at most `count` students: those hashed lowest.

    All are, if there are no more students.
    """
    keys = make_student_keys(rows)
    students = sorted(keys.unique(), key=lambda key: hashlib.blake2b(key.encode(), digest_size=16).digest())
    return np.asarray(keys.isin(students[:count]))
