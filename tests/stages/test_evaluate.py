"""Stage evaluate and its surroundings: what is reported before training and for wrong configurations."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.field import edit

from shoepair.commands import doctor
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError
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
