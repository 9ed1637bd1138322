"""Stage evaluate and its surroundings: what is reported before training and for wrong configurations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.field import edit

from shoepair.commands import doctor
from shoepair.data import parquet_files, schemas
from shoepair.evaluation import thresholds
from shoepair.models import inference, registry
from shoepair.runtime import params, paths
from shoepair.runtime.errors import ShoepairError
from shoepair.training.config import TrainConfig
from stages import evaluate, train


@pytest.mark.usefixtures("project")
def test_training_an_unknown_model_is_refused() -> None:
    with pytest.raises(ShoepairError, match="models: 'resnet' is not a model"):
        train.main("resnet")
    assert not Path("models").exists()


@pytest.mark.usefixtures("project")
def test_evaluating_before_training_reports_what_to_do() -> None:
    with pytest.raises(ShoepairError, match=r"data/pairs\.parquet: missing\nrun `dvc repro`"):
        evaluate.main()


@pytest.mark.usefixtures("project")
def test_doctor_names_a_batch_without_photos_and_a_wrong_parameter() -> None:
    edit(paths.BATCH_LIST, "  - tiny\n", "  - tiny\n  - summer\n")
    with pytest.raises(ShoepairError, match="summer: no folder data/raw/summer and no synthetic class"):
        doctor.check_configuration()
    edit(paths.PARAMS, "\nseed: 1 ", "\nsead: 1 ")
    with pytest.raises(ShoepairError, match="sead: not a parameter of this project"):
        doctor.check_configuration()


def score_well(models: dict[str, object], rows: pd.DataFrame, _data: object) -> pd.DataFrame:
    """Return scores that are right of `cnn`, and wrong of every other model."""
    right = np.where(rows["same"] == 1, 4, -4).astype(np.float32)
    return pd.concat([rows.assign(model=model, logit=right if model == "cnn" else -right) for model in models])


def write_fold_scores(students: int, mistaken: int) -> None:
    """Write out-of-fold scores of students in two repeats; of some the first repeat has a sure mistake."""
    rows = [
        {
            **{"batch": "tiny", "student": f"u{number}", "split": "train", "row": number, "same": same},
            **{"left": pair, "right": pair if same else pair % 3 + 1, "standard": True, "model": "cnn"},
            **{"logit": 4.0 if same != (number < mistaken and not repeat) else -4.0, "repeat": repeat, "fold": repeat},
        }
        for number in range(students)
        for repeat in range(2)
        for pair in (1, 2, 3)
        for same in (1, 0)
    ]
    table = pd.DataFrame(rows).astype({"logit": np.float32})
    table = table[list(schemas.FoldScores.to_schema().columns)]
    parquet_files.write_table(paths.cv_scores_path("cnn"), table, schemas.FoldScores)


@pytest.mark.usefixtures("paired")
def test_sure_thresholds_follow_from_the_scores_of_students_that_each_fold_leaves_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    edit(paths.PARAMS, "crossval:\n  models: [] ", "crossval:\n  models: [cnn] ")
    chosen = params.load(TrainConfig)
    for name in ("cnn_channel", "cnn"):
        registry.save_model(name, registry.build_model(name, chosen.network, chosen.seed), {})
    monkeypatch.setattr(inference, "pair_score_rows", score_well)
    for students, mistaken, is_sure in ((70, 0, True), (58, 0, False), (70, 1, False), (120, 1, True)):
        write_fold_scores(students, mistaken)
        evaluate.main()
        rule = thresholds.read_decision_rule()
        assert (rule.model, rule.scores, rule.students) == ("cnn", "out-of-fold", students)
        assert rule.missing_students == max(0, 59 - students)
        assert (rule.sure_same_above < 1, rule.sure_different_below > 0) == (is_sure, is_sure)
    edit(paths.PARAMS, "crossval:\n  models: [cnn] ", "crossval:\n  models: [] ")
    evaluate.main()
    assert thresholds.read_decision_rule().scores == "valid"
