"""Outputs of all stages, read and checked for consistency: the input of report page, cards and metadata.

No metrics are computed and no photos read here.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel

from shoepair.data import json_schemas, parquet_files, schemas
from shoepair.data.naming import SHOE_KEYS
from shoepair.data.wording import count_with_noun
from shoepair.evaluation import metric_files, metrics, thresholds
from shoepair.evaluation.config import CrossvalConfig
from shoepair.evaluation.metric_names import BASELINE_MODEL
from shoepair.evaluation.thresholds import DecisionRule
from shoepair.reports.formatting import VALIDATION_COUNT_NAMES
from shoepair.runtime import input_files, json_files, paths
from shoepair.runtime.errors import ShoepairError

REPRO_HINT = "run `dvc repro`, which makes it"
MAX_CURVE_BYTES = 2**27  # of a loss curve, a line per iteration


class _CardConfig(BaseModel):
    epochs: int
    batch_size: int
    lr: float
    synthetic_ratio: float


class _CardLayers(BaseModel):
    edge: int


class _CardEpoch(BaseModel):
    epoch: int


class ModelCard(BaseModel):
    """What the report shows of a model card; it has more keys."""

    parameters: int
    layers: _CardLayers
    config: _CardConfig
    epoch: _CardEpoch


@dataclass(frozen=True)
class Results:
    """The outputs of all stages, as the report needs them."""

    batches: list[str]  # in the order of data/batches.yaml
    synthetic_batches: list[str]  # those of them that are synthetic
    validation_reports: dict[str, dict[str, Any]]  # batch -> report of `validate`
    split_counts: dict[str, dict[str, int]]  # split -> students, pairs, and both per category
    split_table: pd.DataFrame  # `StudentSplits` rows
    duplicates: pd.DataFrame  # `NearDuplicates` rows
    suspects: pd.DataFrame  # `LabelIssues` rows, the most suspicious first
    probe_results: dict[str, Any]  # probe -> its metrics
    details: dict[str, Any]  # what `comparison.compare_models` returned
    scores: pd.DataFrame  # `Scores` rows
    decision_rule: DecisionRule  # model, temperature and thresholds
    model_cards: dict[str, dict[str, Any]]  # model -> its model card
    epoch_curves: dict[str, pd.DataFrame]  # model -> a row per epoch
    loss_curves: dict[str, pd.DataFrame]  # model -> a row per iteration
    cv_metrics: dict[str, dict[str, Any]]  # model -> cross-validation metrics; empty if none
    resamples: int  # bootstrap resamples of every interval
    dataset_digest: str  # of the names and digests of all accepted photos

    @property
    def photographed_batches(self) -> list[str]:
        """The batches that are photographed, not synthetic."""
        return [batch for batch in self.batches if batch not in self.synthetic_batches]

    @cached_property
    def total_counts(self) -> dict[str, int]:
        """The validation counts summed over all batches, by name."""
        return {
            name: sum(int(report[name]) for report in self.validation_reports.values())
            for name in VALIDATION_COUNT_NAMES
        }

    @cached_property
    def models(self) -> list[str]:
        """The names of the models, in the order of params.yaml."""
        return list(self.details["models"])

    @property
    def best_model(self) -> str:
        """The name of the best model by validation."""
        return str(self.details["best"])

    @property
    def reference_model(self) -> str:
        """The name of the model all others are compared with: the baseline, or the best one without it."""
        return BASELINE_MODEL if BASELINE_MODEL in self.models else self.best_model

    @cached_property
    def tested_splits(self) -> list[str]:
        """The test splits that have students; ["valid"] where there are none. Curves and examples show these."""
        splits = self.details["models"][self.best_model]
        return [name for name in metrics.TEST_SPLITS if name in splits] or ["valid"]

    @property
    def pooled_split(self) -> str:
        """The split that contains all of `tested_splits`: "test" or "valid"."""
        return metrics.BOTH_TESTS if self.tested_splits != ["valid"] else "valid"

    def select_scores(self, model: str, split: str) -> pd.DataFrame:
        """Select the `Scores` rows of one model on one split."""
        return metrics.select_split_rows(self.scores[self.scores["model"] == model], split)


def read_results(batches: list[str], synthetic_classes: Iterable[str], crossval: CrossvalConfig) -> Results:
    """Read the outputs of all stages and check that they are consistent.

    Args:
        batches: in the order of data/batches.yaml.
        synthetic_classes: names of the synthetic classes.
        crossval: the cross-validated models and the number of bootstrap resamples.

    Raises:
        ShoepairError: a file is missing, damaged or contradicts another one.
    """
    details = metric_files.read_details(REPRO_HINT)
    models = list(details["models"])
    results = Results(
        batches=batches,
        synthetic_batches=[batch for batch in batches if batch in set(synthetic_classes)],
        validation_reports={
            batch: json_files.read_json(paths.validation_report_path(batch), REPRO_HINT, json_schemas.ValidationReport)
            for batch in batches
        },
        split_counts=json_files.read_json(paths.SPLIT_METRICS, REPRO_HINT, json_schemas.SplitCounts),
        split_table=parquet_files.read_table(paths.SPLIT, schemas.StudentSplits),
        duplicates=parquet_files.read_table(paths.NEAR_DUPLICATES, schemas.NearDuplicates),
        suspects=parquet_files.read_table(paths.LABEL_ISSUES, schemas.LabelIssues),
        probe_results=json_files.read_json(paths.LEAKAGE_REPORT, REPRO_HINT, metric_files.LeakageReport),
        details=details,
        scores=parquet_files.read_table(paths.SCORES, schemas.Scores),
        decision_rule=thresholds.read_decision_rule(),
        model_cards={
            model: json_files.read_json(paths.model_card_path(model), f"delete it and {REPRO_HINT}", ModelCard)
            for model in models
        },
        epoch_curves={model: _read_curve(paths.epoch_curve_path(model)) for model in models},
        loss_curves={model: _read_curve(paths.loss_curve_path(model)) for model in models},
        cv_metrics={
            model: json_files.read_json(paths.cv_metrics_path(model), REPRO_HINT, metric_files.CrossvalMetrics)
            for model in crossval.models
        },
        resamples=crossval.resamples,
        dataset_digest=_digest_photos(batches),
    )
    raise_if_inconsistent(results)
    return results


def _digest_photos(batches: list[str]) -> str:
    """Return a digest of all accepted photos: SHA-256 of a line per photo, its batch, path and own SHA-256."""
    digest = hashlib.sha256()
    for batch in batches:
        rows = parquet_files.read_table(paths.accepted_path(batch), schemas.AcceptedPhotos)
        for path, photo_digest in zip(rows["path"], rows["sha256"], strict=True):
            digest.update(f"{batch}/{path} {photo_digest}\n".encode())
    return digest.hexdigest()


def _read_curve(csv_path: Path) -> pd.DataFrame:
    """Read a curve: a table of numbers with at least one row."""
    content = input_files.read_bytes(csv_path, MAX_CURVE_BYTES, f"delete it and {REPRO_HINT}")
    try:
        rows = pd.read_csv(io.BytesIO(content))
    except ValueError:  # wrong encoding, or no table
        rows = pd.DataFrame()
    if rows.empty or not all(map(pd.api.types.is_numeric_dtype, rows.dtypes)):
        message = f"{csv_path}: no rows, expected a table of a training run"
        raise ShoepairError(message, fix=f"delete it and {REPRO_HINT}")
    return rows


def raise_if_inconsistent(results: Results) -> None:
    """Raise if counts do not add up, which means that files come from different runs.

    Raises:
        ShoepairError: lists every contradiction.
    """
    files, accepted, quarantined, ignored, students, _ = (
        results.total_counts[name] for name in VALIDATION_COUNT_NAMES
    )
    assigned = sum(counts["students"] for counts in results.split_counts.values())
    scored = results.scores["model"].unique()
    problems = []
    if files != accepted + quarantined + ignored:
        problems.append(f"{count_with_noun(files, 'file')}, expected the sum of accepted, quarantined and ignored")
    if accepted != len(SHOE_KEYS) * students:
        problems.append(f"{accepted} accepted photos of {students} students, expected six of each")
    if not students == assigned == len(results.split_table):
        problems.append(
            f"{count_with_noun(students, 'student')} accepted, {assigned} in split counts,"
            f" {len(results.split_table)} in the split table"
        )
    if set(results.models) != set(scored):
        problems.append(f"models {', '.join(results.models)} evaluated, {', '.join(scored)} scored")
    if problems:
        message = "the outputs of the stages contradict each other"
        raise ShoepairError(message, problems=problems, fix="run `dvc repro`, which makes them again")
