"""Data of the plots that DVC draws, compared with the metrics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from support.classes import scores_of

from shoepair.evaluation import metrics, plot_data
from shoepair.runtime import atomic_files, paths


def all_scores() -> pd.DataFrame:
    sizes = {"valid": 5, "test_m": 8, "test_w": 6}
    parts = [
        scores_of(students, number, split=split, model=model, first=100 * index)
        for number, model in enumerate(("cnn", "siamese"))
        for index, (split, students) in enumerate(sizes.items())
    ]
    return pd.concat(parts)


def test_files_have_the_test_students(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    scores = all_scores()
    atomic_files.write_text(paths.roc_curve_path("gone"), "fpr,tpr\n")
    plot_data.write_plot_data(scores, ["cnn", "siamese"], "siamese")
    assert sorted(paths.ROC_CURVE_FOLDER.iterdir()) == [paths.roc_curve_path("cnn"), paths.roc_curve_path("siamese")]
    for model in ("cnn", "siamese"):
        rows = metrics.select_split_rows(scores[scores["model"] == model], "test")
        curve = pd.read_csv(paths.roc_curve_path(model))
        auc = np.trapezoid(curve["tpr"], curve["fpr"])
        assert auc == pytest.approx(roc_auc_score(rows["same"], rows["logit"]), abs=2e-4)
    counts = pd.read_csv(paths.CONFUSION_DATA).value_counts()
    numbers = metrics.compute_metrics(rows, 100, 1)
    assert counts["same", "same"] / 42 == pytest.approx(numbers["positive"], abs=1e-4)
    assert counts["different", "different"] / 42 == pytest.approx(numbers["negative"], abs=1e-4)
    assert counts.sum() == 84


def test_files_have_valid_where_there_are_no_test_students() -> None:
    scores = scores_of(7, 1, split="valid")
    assert len(plot_data.actual_and_predicted_label_table(scores)) == 42
    assert plot_data.roc_table_of_model(scores).iloc[-1].tolist() == [1, 1]
