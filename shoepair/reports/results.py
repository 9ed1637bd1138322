"""The outputs of all stages, read and held against each other: what the page, the cards and the metadata tell.

Nothing is measured here, and no photo is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from shoepair.data import documents, schemas, tables
from shoepair.data.naming import SHOES
from shoepair.evaluation import metrics, thresholds
from shoepair.evaluation.config import Crossval
from shoepair.evaluation.metric_names import BASELINE
from shoepair.evaluation.thresholds import Decision
from shoepair.reports.format import COUNTS
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

FIX = "run `dvc repro`, which makes it"


@dataclass(frozen=True)
class Facts:
    """What the stages found."""

    batches: list[str]  # in the order of arrival
    drawn: list[str]  # those of them that nobody photographed
    validation: dict[str, dict[str, Any]]  # batch -> the report of `validate`
    counts: dict[str, dict[str, int]]  # split -> students, pairs, and both per kind of shoe
    split: pd.DataFrame  # `Split` rows
    twice: pd.DataFrame  # `Duplicates` rows
    suspects: pd.DataFrame  # `Suspects` rows, the most suspicious first
    audit: dict[str, Any]  # probe -> what it got
    details: dict[str, Any]  # what `comparison.assess` returned
    scores: pd.DataFrame  # `Scores` rows
    decision: Decision  # when to answer
    cards: dict[str, dict[str, Any]]  # model -> its card
    epochs: dict[str, pd.DataFrame]  # model -> a row per epoch
    iterations: dict[str, pd.DataFrame]  # model -> a row per iteration
    folded: dict[str, dict[str, Any]]  # model -> what its cross-validation gave; empty if none was asked for
    resamples: int  # bootstrap draws behind every interval

    @property
    def photographed(self) -> list[str]:
        """The batches that are not drawn."""
        return [batch for batch in self.batches if batch not in self.drawn]

    @cached_property
    def total(self) -> dict[str, int]:
        """The counts of `validate`, all batches together."""
        return {name: sum(int(each[name]) for each in self.validation.values()) for name in COUNTS}

    @cached_property
    def models(self) -> list[str]:
        """The models, in the order of params.yaml."""
        return list(self.details["models"])

    @property
    def best(self) -> str:
        """The best model by validation."""
        return str(self.details["best"])

    @property
    def base(self) -> str:
        """The model that all others are compared with: the baseline, or the best one where it was not trained."""
        return BASELINE if BASELINE in self.models else self.best

    @cached_property
    def tested(self) -> list[str]:
        """The test sets that have students; where there are none, valid: what curves and examples are of."""
        sets = self.details["models"][self.best]
        return [name for name in metrics.TESTS if name in sets] or ["valid"]

    @property
    def whole(self) -> str:
        """The set that holds all of `tested`."""
        return metrics.TEST if self.tested != ["valid"] else "valid"

    def of(self, model: str, name: str) -> pd.DataFrame:
        """The `Scores` rows of a model on a set."""
        return metrics.of_set(self.scores[self.scores["model"] == model], name)


def read(batches: list[str], samples: Iterable[str], chosen: Crossval) -> Facts:
    """Read everything.

    Args:
        batches: in the order of arrival.
        samples: names of the classes that are drawn.
        chosen: which models were cross-validated, and how intervals were drawn.

    Raises:
        ShoepairError: something is missing, is no such file, or does not go together with the rest.
    """
    details = documents.read_json(paths.EVALUATION_DETAILS, FIX)
    models = list(details["models"])
    found = Facts(
        batches=batches,
        drawn=[batch for batch in batches if batch in set(samples)],
        validation={batch: documents.read_json(paths.validation(batch), FIX) for batch in batches},
        counts=documents.read_json(paths.SPLIT_METRICS, FIX),
        split=tables.read(paths.SPLIT, schemas.Split),
        twice=tables.read(paths.DUPLICATES, schemas.Duplicates),
        suspects=tables.read(paths.SUSPECTS, schemas.Suspects),
        audit=documents.read_json(paths.AUDIT, FIX),
        details=details,
        scores=tables.read(paths.SCORES, schemas.Scores),
        decision=thresholds.read(),
        cards={model: documents.read_json(paths.card(model), FIX) for model in models},
        epochs={model: _curve(paths.epochs(model)) for model in models},
        iterations={model: _curve(paths.iterations(model)) for model in models},
        folded={model: documents.read_json(paths.folded_metrics(model), FIX) for model in chosen.models},
        resamples=chosen.resamples,
    )
    refuse_mismatch(found)
    return found


def _curve(path: Path) -> pd.DataFrame:
    try:
        rows = pd.read_csv(path)
    except FileNotFoundError:
        missing = f"{path}: missing"
        raise ShoepairError(missing, fix=FIX) from None
    except ValueError:  # of the text's encoding, or of the table
        rows = pd.DataFrame()
    if rows.empty:
        found = f"{path}: not a table of a training run"
        raise ShoepairError(found, fix=f"delete it and {FIX}")
    return rows


def refuse_mismatch(found: Facts) -> None:
    """Refuse counts that do not add up: they come from files of different runs.

    Raises:
        ShoepairError: names each contradiction.
    """
    files, accepted, quarantined, ignored, students, _ = (found.total[name] for name in COUNTS)
    dealt, scored = sum(each["students"] for each in found.counts.values()), found.scores["model"].unique()
    problems = []
    if files != accepted + quarantined + ignored:
        problems.append(f"{files} files, expected the sum of accepted, quarantined and ignored")
    if accepted != len(SHOES) * students:
        problems.append(f"{accepted} accepted photos of {students} students, expected six of each")
    if not students == dealt == len(found.split):
        problems.append(f"{students} students accepted, {dealt} counted in splits, {len(found.split)} in the table")
    if set(found.models) != set(scored):
        problems.append(f"models {', '.join(found.models)} measured, {', '.join(scored)} scored")
    if problems:
        text = "the outputs of the stages do not go together"
        raise ShoepairError(text, problems=problems, fix="run `dvc repro`, which makes them of one piece")
