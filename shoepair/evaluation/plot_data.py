"""The tables that DVC draws: a ROC curve per model, the best model's confusion.

Of both test sets together; where a class has no test students, of valid. DVC merges what stands in one file, so every
model has its own, and the confusion is that of one model.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from shoepair.evaluation import roc_curve
from shoepair.evaluation.metrics import DIGITS, TEST, labels_and_logits, of_set
from shoepair.runtime import files, paths

NAMES = ("different", "same")


def shown(scores: pd.DataFrame) -> pd.DataFrame:
    """The rows that are drawn: of test students if there are any, else of valid."""
    tests = of_set(scores, TEST)
    return tests if len(tests) else of_set(scores, "valid")


def roc(scores: pd.DataFrame) -> pd.DataFrame:
    """`Scores` rows of one model -> columns `fpr` and `tpr`, from (0, 0) to (1, 1), over all six different pairs."""
    return roc_curve.table(roc_curve.roc(*labels_and_logits(shown(scores))), DIGITS)


def confusion(scores: pd.DataFrame) -> pd.DataFrame:
    """`Scores` rows of one model -> columns `actual` and `predicted`, a row per standard pair, same or different."""
    same, logits = labels_and_logits(shown(scores).loc[lambda rows: rows["standard"]])
    called = {"actual": same, "predicted": logits > 0}
    return pd.DataFrame({name: np.array(NAMES)[flags.astype(int)] for name, flags in called.items()})


def write(scores: pd.DataFrame, models: list[str], best: str) -> None:
    """Write `plots/roc/<model>.csv` and `plots/confusion.csv`; curves of models that are no more are deleted.

    Args:
        scores: `Scores` rows.
        models: that were trained.
        best: of them.
    """
    tables = {paths.roc(model): roc(scores[scores["model"] == model]) for model in models}
    for path in set(paths.ROC_CURVES.glob("*.csv")) - set(tables):
        path.unlink()
    for path, table in {**tables, paths.CONFUSION: confusion(scores[scores["model"] == best])}.items():
        files.write_text(path, table.to_csv(index=False, lineterminator="\n"))
