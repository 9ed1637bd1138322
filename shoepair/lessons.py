"""What training learns from: the pairs of the class, and behind them those of the drawn students (`synthetic`)."""

from __future__ import annotations

import pandas as pd

from shoepair import pairs
from shoepair.runtime import paths
from shoepair.store import Store


def beside(rows: pd.DataFrame, share: float, *, only_standard: bool) -> pd.DataFrame:
    """Pairs to learn from.

    Args:
        rows: `Pairs` rows of the class.
        share: `train.synthetic`; 0 for the rows alone.
        only_standard: whether the standard pairs of the drawn students are enough, or all nine are wanted.

    Returns:
        `Pairs` rows, those of the drawn students last.

    Raises:
        ShoepairError: the drawn students are missing.
    """
    if not share:
        return rows
    return pd.concat([rows, pairs.of_split(_drawn(), "train", only_standard=only_standard)], ignore_index=True)


def _drawn() -> pd.DataFrame:
    with Store(paths.store(paths.SYNTHETIC), shared=True) as store:
        students = store.students
    about = {"batch": paths.SYNTHETIC, "student": students, "row": range(len(students)), "split": "train"}
    return pairs.build(pd.DataFrame(about))
