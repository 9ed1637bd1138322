"""Data of the plots that DVC draws: a ROC curve per model and the best model's confusion matrix.

Of both test splits together, or of valid where there are no test students. DVC merges all rows of a file into one
plot, so every ROC curve has its file, and the confusion matrix is that of one model.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from shoepair.evaluation import roc_curve
from shoepair.evaluation.metrics import BOTH_TESTS, DIGITS, labels_and_logits, select_split_rows
from shoepair.runtime import atomic_files, paths

LABEL_NAMES = ("different", "same")


def select_test_or_valid_rows(scores: pd.DataFrame) -> pd.DataFrame:
    """Select the scores of the test students, or of valid where there are no test students."""
    tests = select_split_rows(scores, BOTH_TESTS)
    return tests if len(tests) else select_split_rows(scores, "valid")


def roc_table_of_model(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the ROC curve of one model as columns `fpr` and `tpr`, from (0, 0) to (1, 1), over all nine pairs."""
    curves = roc_curve.compute_roc_curves(*labels_and_logits(select_test_or_valid_rows(scores)))
    return roc_curve.first_curve_table(curves, DIGITS)


def actual_and_predicted_label_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the labels of one model's standard pairs as columns `actual` and `predicted`, a row per pair."""
    same, logits = labels_and_logits(select_test_or_valid_rows(scores).loc[lambda rows: rows["standard"]])
    labels = {"actual": same, "predicted": logits > 0}
    return pd.DataFrame({name: np.array(LABEL_NAMES)[values.astype(int)] for name, values in labels.items()})


def write_plot_data(scores: pd.DataFrame, models: list[str], best_model: str) -> None:
    """Write `plots/roc/<model>.csv` and `plots/confusion.csv`; delete the curves of models that no longer exist.

    Args:
        scores: `Scores` rows.
        models: the trained models.
        best_model: one of them; the confusion matrix is of it.
    """
    tables = {paths.roc_curve_path(model): roc_table_of_model(scores[scores["model"] == model]) for model in models}
    for path in set(paths.ROC_CURVE_FOLDER.glob("*.csv")) - set(tables):
        path.unlink()
    tables[paths.CONFUSION_DATA] = actual_and_predicted_label_table(scores[scores["model"] == best_model])
    for path, table in tables.items():
        atomic_files.write_text(path, table.to_csv(index=False, lineterminator="\n"))
