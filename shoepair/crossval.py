"""Grouped cross-validation: every student is judged once a repeat, by models that never saw them.

Folds are of students, the same for all models, dealt by a hash; test students take no part. A fold's scores are
kept as soon as they are there, under the key of what they depend on, so that a run that was killed, or is asked for
again with other models, trains only what is missing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import pandas as pd
from pandera.typing import Series

from shoepair import batches, checkpoints, devices, inference, models, paths, progress, recipes, table, training
from shoepair.comparison import gained
from shoepair.errors import ShoepairError
from shoepair.evaluation import Figures, Scores, metrics, students_of
from shoepair.params import Train
from shoepair.results import BASELINE
from shoepair.splits import DEALT

FEWEST = 2  # students in a fold
FEWEST_FOLDS = 3  # where one is left out, one to choose an epoch by, and the rest to learn from


class Folded(Scores):
    """One row per model, repeat and pair, each pair scored by a model that did not see its student."""

    repeat: Series[int]
    fold: Series[int]


@dataclass(frozen=True)
class Plan:
    """What is trained.

    Args:
        model: name in the model table.
        folds: parts of the students, each left out once a repeat.
        repeats: times that the students are dealt anew.
    """

    model: str
    folds: int
    repeats: int


def deal(students: list[str], folds: int, repeat: int) -> dict[str, int]:
    """Put students into folds of equal size, by the order of their hashes.

    Args:
        students: `batch/student`, each once.
        folds: 2 or more.
        repeat: 0, 1, ...: deals anew.

    Returns:
        student -> fold 0..folds-1.

    Raises:
        ShoepairError: there are too few students.
    """
    if len(students) < FEWEST * folds:
        found = f"crossval: {len(students)} students in train and valid, expected {FEWEST * folds} for {folds} folds"
        raise ShoepairError(found, fix="take fewer folds: `--folds 2`")
    ranked = sorted(students, key=lambda student: hashlib.blake2b(f"{repeat}/{student}".encode()).digest())
    return {student: place % folds for place, student in enumerate(ranked)}


def run(plan: Plan, chosen: Train, rows: pd.DataFrame, report: Callable[[str], object]) -> pd.DataFrame:
    """Cross-validate one model.

    Args:
        plan: model, folds, repeats.
        chosen: the parameters of training.
        rows: `Pairs` rows of all splits; those of train and valid are used.
        report: prints a line after every fold.

    Returns:
        `Folded` rows, nine pairs of every student in every repeat.

    Raises:
        ShoepairError: there are too few students, or too few folds to choose an epoch by one of them.
    """
    if _chooses(chosen) and plan.folds < FEWEST_FOLDS:
        found = f"crossval: {plan.folds} folds, expected {FEWEST_FOLDS} or more where one chooses the epoch"
        raise ShoepairError(found, fix="take `--folds 3`, or set `train.keep: last` and `train.patience: 0`")
    return pd.concat(list(_folds(plan, chosen, rows[rows["split"].isin(DEALT)], report)), ignore_index=True)


def _folds(plan: Plan, chosen: Train, rows: pd.DataFrame, report: Callable[[str], object]) -> Iterator[pd.DataFrame]:
    who = students_of(rows)
    every = list(product(range(plan.repeats), range(plan.folds)))
    for repeat, fold in progress.track(every, f"cross-validate {plan.model}", "fold"):
        fold_of = who.map(deal(sorted(who.unique()), plan.folds, repeat))
        # The next fold is what an epoch is chosen by, where one is chosen.
        inner = fold_of == (fold + 1) % plan.folds
        out = fold_of == fold
        needed = _chooses(chosen)
        train, valid = rows[~out & ~(inner & needed)], rows[inner] if needed else None
        scored = _scored(plan.model, chosen, train, valid, rows[out])
        right = (scored["logit"] > 0) == (scored["same"] == 1)
        share = right.groupby(scored["same"]).mean().mean()
        number = repeat * plan.folds + fold + 1
        report(f"{plan.model}: {number} of {len(every)} folds, balanced accuracy {share:.1%}")
        yield scored.assign(repeat=repeat, fold=fold)


def _chooses(chosen: Train) -> bool:
    """Whether an epoch is chosen by pairs that are not learnt from."""
    return chosen.keep == "best" or chosen.patience > 0


def _scored(
    name: str, chosen: Train, train: pd.DataFrame, valid: pd.DataFrame | None, out: pd.DataFrame
) -> pd.DataFrame:
    """The pairs that were left out, with the scores of a model trained on the others."""
    recipe, shape = recipes.of(chosen), recipes.shape_of(chosen)
    devices.use_threads(chosen.threads)
    model = models.build(name, shape, chosen.seed)
    device = devices.placed(model, devices.chosen(chosen.device))
    used = [train, out] if valid is None else [train, valid, out]
    key = checkpoints.key((name, shape, recipe, device, chosen.threads), used)
    place = paths.fold(name, key)
    if place.is_file():
        return table.read(place, Scores)
    learnt = [each[each["standard"] | (not training.standard_only(model, recipe))] for each in used[:-1]]
    memory = chosen.memory_mb * 2**20
    sources = [batches.within(each, chosen.edge, memory, device) for each in [*learnt, out]]
    checkpoint = training.Checkpoint(place.with_suffix(".safetensors"), key, report=lambda _line: None)
    training.fit(model, sources[0], None if valid is None else sources[1], recipe, checkpoint, curves=False)
    answers = inference.logits(model, sources[-1])
    scores = out.assign(model=name, logit=(answers[:, 1] - answers[:, 0]).numpy())
    table.write(place, scores, Scores)
    checkpoint.path.unlink(missing_ok=True)
    return scores


def summary(scores: Mapping[str, pd.DataFrame], resamples: int, seed: int) -> dict[str, Any]:
    """What the models did on students that they did not see, all folds and repeats together.

    Args:
        scores: model -> `Folded` rows of the same students and repeats.
        resamples: bootstrap draws behind every interval.
        seed: of the draws.

    Returns:
        model -> what `evaluation.metrics` returns; where the histogram is among the models, each other one has
        `above_histogram`, the paired differences of `comparison.gained`.
    """
    found: dict[str, Any] = {model: metrics(rows, resamples, seed) for model, rows in scores.items()}
    figures = {model: Figures(rows) for model, rows in scores.items()}
    for model in scores.keys() - {BASELINE} if BASELINE in scores else ():
        two = {name: figures[name] for name in (BASELINE, model)}
        found[model]["above_histogram"] = gained(two, resamples, seed)[BASELINE, model]
    return found
