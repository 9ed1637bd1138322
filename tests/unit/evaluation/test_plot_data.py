"""The tables that DVC draws, held against the numbers they show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from support.classes import scores_of

from shoepair.evaluation import metrics, plot_data
from shoepair.runtime import files, paths


def everything() -> pd.DataFrame:
    sets = {"valid": 5, "test_m": 8, "test_w": 6}
    parts = [
        scores_of(students, number, split=name, model=model, first=100 * place)
        for number, model in enumerate(("cnn", "siamese"))
        for place, (name, students) in enumerate(sets.items())
    ]
    return pd.concat(parts)


def test_files_show_the_test_students(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    scores = everything()
    files.write_text(paths.roc("gone"), "fpr,tpr\n")
    plot_data.write(scores, ["cnn", "siamese"], "siamese")
    assert sorted(paths.ROC_CURVES.iterdir()) == [paths.roc("cnn"), paths.roc("siamese")]
    for model in ("cnn", "siamese"):
        rows = metrics.of_set(scores[scores["model"] == model], "test")
        curve = pd.read_csv(paths.roc(model))
        area = np.trapezoid(curve["tpr"], curve["fpr"])
        assert area == pytest.approx(roc_auc_score(rows["same"], rows["logit"]), abs=2e-4)
    counts = pd.read_csv(paths.CONFUSION).value_counts()
    got = metrics.metrics(rows, 100, 1)
    assert counts["same", "same"] / 42 == pytest.approx(got["positive"], abs=1e-4)
    assert counts["different", "different"] / 42 == pytest.approx(got["negative"], abs=1e-4)
    assert counts.sum() == 84


def test_class_without_test_students_shows_valid() -> None:
    scores = scores_of(7, 1, split="valid")
    assert len(plot_data.confusion(scores)) == 42
    assert plot_data.roc(scores).iloc[-1].tolist() == [1, 1]
