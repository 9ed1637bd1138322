"""The digests of every output that does not follow from trained weights, pinned in golden.json.

A red test here says that outputs have changed. If that is meant, pin the new ones:
`PYTHONPATH=.:tests python tests/stages/test_golden.py`. If the change came through `shoepair.runtime`, on which no
stage depends, raise `OUTPUT_VERSION` too.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.field import CLASS, copy_project, edit, write_class

from shoepair.evaluation.config import EvaluateConfig
from shoepair.models import inference, registry
from shoepair.runtime import OUTPUT_VERSION, params, paths
from shoepair.training import history
from shoepair.training.config import TrainConfig
from stages import (
    analyze,
    audit,
    evaluate,
    ingest,
    normalize,
    pairs,
    report,
    sample,
    sheets,
    split,
    suspects,
    synthetic,
    validate,
)

GOLDEN = Path(__file__).with_name("golden.json")
MORE = ("u035", "u055", "u089", "u144", "u233", "u377")  # enough students for the probes of `audit`
FOLDERS = ("data", "metrics", "plots", "reports")
FIXED = ("data/raw/tiny", "data/batches.yaml", "metrics/crossval", "data/crossval", "plots/training", "plots/loss")


def fixed_scores(models: dict[str, object], rows: pd.DataFrame, _data: object) -> pd.DataFrame:
    """Scores that follow from the names of students and models alone: right in two of three cases."""

    def logit(model: str, row: pd.Series) -> float:
        text = f"{model} {row['student']} {row['left']} {row['right']}"
        number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32
        return float(np.float32((number - 1 / 3) * (6 if row["same"] else -6)))

    parts = [rows.assign(model=model, logit=[logit(model, row) for _, row in rows.iterrows()]) for model in models]
    return pd.concat(parts).astype({"logit": np.float32})


def digests(folder: Path) -> dict[str, str]:
    """Digest by file of everything that the stages wrote."""
    files = sorted(path for name in FOLDERS for path in (folder / name).rglob("*") if path.is_file())
    names = [path.relative_to(folder).as_posix() for path in files]
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in zip(names, files, strict=True)
        if not name.startswith(FIXED)
    }


def write_outputs(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Run every stage in a project folder, the current one; training is left out, and its outputs are made up."""
    write_class(folder / "data/raw/tiny", CLASS | {"train": CLASS["train"] + MORE})
    edit(folder / "params.yaml", "students: 2 ", "students: 5 ")
    listed = "batches: [tiny]\nsynthetic_classes:\n  drawn: {students: 1, test_students: 1, seed: 3}\n"
    (folder / "data/batches.yaml").write_text(listed)
    sample.main("drawn")
    for stage in (ingest, validate, normalize, sheets):
        stage.main("tiny")
    for step in (synthetic, split, pairs, audit, suspects, analyze):
        step.main()
    chosen = params.load(TrainConfig)
    course = history.History(
        [history.EpochMetrics(1, 0.7, 0.5, 0.6, 0.5, 0.6), history.EpochMetrics(2, 0.6, 0.6, 0.7, 0.6, 0.7)],
        [0.7, 0.6],
    )
    for name in params.load(EvaluateConfig).models:
        model = registry.build_model(name, chosen.network, chosen.seed)
        registry.save_model(
            name,
            model,
            {"config": {"epochs": 2, "lr": 0.001, "batch_size": 32, "synthetic_ratio": 1.0}, "epoch": {"epoch": 2}},
        )
        history.write_curves(course, paths.epoch_curve_path(name), paths.loss_curve_path(name))
    patch.setattr(inference, "pair_score_rows", fixed_scores)
    evaluate.main()
    report.main()


def test_outputs_are_those_of_this_version(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_outputs(project, monkeypatch)
    golden = json.loads(GOLDEN.read_text())
    assert golden["output_version"] == OUTPUT_VERSION
    written = digests(project)
    changed = sorted(
        name for name in golden["digests"].keys() | written if golden["digests"].get(name) != written.get(name)
    )
    assert changed == [], "outputs have changed; the first lines of this file say what to do"


def pin() -> None:
    """Write golden.json anew."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = copy_project(Path(name))
        patch.chdir(folder)
        write_outputs(folder, patch)
        document = {"output_version": OUTPUT_VERSION, "digests": digests(folder)}
    GOLDEN.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    pin()
