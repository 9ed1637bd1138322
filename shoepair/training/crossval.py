"""Grouped cross-validation: in each repeat every student is scored by a model that was not trained on them.

Folds consist of students, assigned by a hash and the same for all models and parameters; test students take no part.
The trainings are tasks of the executor, each on `train.threads` cores. A fold's scores are saved as soon as they are
computed, under a key of everything that they depend on: an interrupted run, or one with other models or parameters,
trains only the missing folds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path

import pandas as pd

from shoepair.data import parquet_files
from shoepair.data.naming import NON_TEST_SPLITS
from shoepair.data.schemas import Scores, make_student_keys
from shoepair.data.wording import count_with_noun
from shoepair.models import devices, inference
from shoepair.runtime import checked_files, parallel, paths, progress, stage_inputs
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.stage_inputs import StageInputs
from shoepair.training import job, loop
from shoepair.training.config import TrainConfig

MIN_STUDENTS_PER_FOLD = 2  # students in a fold
WORKING_BYTES = 2**30  # of a training beside its photos: torch, and the activations of a mini-batch
MIN_FOLDS = 3  # one held out, one to select the epoch by, the others to train on


@dataclass(frozen=True)
class CVRun:
    """A cross-validation to run: one model, one config, its folds and repeats.

    Args:
        model_name: name in the model registry.
        folds: parts of the students, each held out once a repeat.
        repeats: number of partitions into folds.
        config: how the model is trained.
        overrides: the parameters that differ from other runs of the model, such as ("lr", "5.0e-4").
        students: how many students of the other folds are trained on, drawn for each fold; 0: all of them.
    """

    model_name: str
    folds: int
    repeats: int
    config: TrainConfig
    overrides: tuple[tuple[str, str], ...] = ()
    students: int = 0

    def __str__(self) -> str:
        learnt_from = [f"from {count_with_noun(self.students, 'student')}"] if self.students else []
        return " ".join([self.model_name, *learnt_from, *(f"{key}={value}" for key, value in self.overrides)])


def assign_fold_by_student(students: list[str], folds: int, repeat: int) -> dict[str, int]:
    """Assign students to folds of equal size, in the order of their hashes.

    Args:
        students: `batch/student`, each once.
        folds: 2 or more.
        repeat: 0, 1, ...: another partition.

    Returns:
        student -> fold 0..folds-1.

    Raises:
        ShoepairError: there are too few students.
    """
    if len(students) < MIN_STUDENTS_PER_FOLD * folds:
        required = MIN_STUDENTS_PER_FOLD * folds
        found = f"{count_with_noun(len(students), 'student')} in train and valid"
        message = f"crossval: {found}, expected {required} for {folds} folds"
        raise ShoepairError(message, fix="take fewer folds: `--folds 2`")
    ranked = _order_by_hash(students, str(repeat))
    return {student: position % folds for position, student in enumerate(ranked)}


def _order_by_hash(students: Iterable[str], salt: str) -> list[str]:
    return sorted(students, key=lambda student: hashlib.blake2b(f"{salt}/{student}".encode()).digest())


@dataclass(frozen=True)
class FoldTask:
    """One training of a cross-validation: the run, the repeat and the held-out fold."""

    cv_run: CVRun
    repeat: int
    fold: int

    def __str__(self) -> str:
        return f"crossval {self.cv_run}: repeat {self.repeat + 1}, fold {self.fold + 1}"


def cross_validate(
    cv_runs: Sequence[CVRun], pair_rows: pd.DataFrame, print_line: Callable[[str], object]
) -> dict[CVRun, pd.DataFrame]:
    """Run cross-validations, all folds in parallel, and return the held-out scores of each.

    Args:
        cv_runs: no two are the same.
        pair_rows: `Pairs` rows of all splits; those of train and valid are used.
        print_line: prints a line after every fold.

    Returns:
        `FoldScores` rows of each run, nine pairs of every student in every repeat.

    Raises:
        ShoepairError: there are too few students, or too few folds to select an epoch by one of them.
    """
    for cv_run in cv_runs:
        if _selects_epoch(cv_run.config) and cv_run.folds < MIN_FOLDS:
            message = f"crossval: {cv_run.folds} folds, expected {MIN_FOLDS} or more, since one selects the epoch"
            raise ShoepairError(
                message, fix="take `--folds 3`, or set `train.keep_epoch: last` and `train.patience: 0`"
            )
    train_valid_rows = pair_rows[pair_rows["split"].isin(NON_TEST_SPLITS)]
    scores_by_run: dict[CVRun, list[pd.DataFrame]] = {_resolve_device(cv_run): [] for cv_run in cv_runs}
    for task, scores in _iter_fold_scores(list(scores_by_run), train_valid_rows):
        fold_scores = scores_by_run[task.cv_run]
        fold_scores.append(scores.assign(repeat=task.repeat, fold=task.fold))
        is_correct = (scores["logit"] > 0) == (scores["same"] == 1)
        balanced = is_correct.groupby(scores["same"]).mean().mean()
        total = task.cv_run.repeats * task.cv_run.folds
        print_line(f"{task.cv_run}: {len(fold_scores)} of {total} folds, balanced accuracy {balanced:.1%}")
    return {cv_run: pd.concat(scores_by_run[_resolve_device(cv_run)], ignore_index=True) for cv_run in cv_runs}


def _iter_fold_scores(cv_runs: Sequence[CVRun], pair_rows: pd.DataFrame) -> Iterator[tuple[FoldTask, pd.DataFrame]]:
    """Yield every task with its held-out scores: saved ones of an earlier run, or new ones."""
    tasks = [FoldTask(run, *part) for run in cv_runs for part in product(range(run.repeats), range(run.folds))]
    keys = {task: _prepare_fold(task, pair_rows)[1] for task in tasks}
    paths_of = {task: paths.fold_scores_path(task.cv_run.model_name, key) for task, key in keys.items()}
    kept = {task: scores for task in tasks if (scores := _read_kept_scores(paths_of[task])) is not None}
    missing = {task: keys[task] for task in tasks if task not in kept}
    score = partial(_score_fold, pair_rows=pair_rows, inputs=stage_inputs.current())
    resources = _training_resources([run.config for run in cv_runs], pair_rows)
    new_scores = parallel.imap_ordered(
        score, list(missing.items()), describe_lost_task=lambda item: str(item[0]), resources=resources
    )
    title = f"cross-validate {', '.join(dict.fromkeys(run.model_name for run in cv_runs))}"
    for task in progress.track(tasks, title, "fold"):
        scores = kept[task] if task in kept else next(new_scores)
        if task in missing and _read_kept_scores(paths_of[task]) is None:
            # The worker saved them too, but perhaps on another node's disk.
            _keep_scores(paths_of[task], scores)
        yield task, scores


def _resolve_device(cv_run: CVRun) -> CVRun:
    """Return the run with the device that `auto` selects on this machine; other nodes may differ."""
    device = devices.select_device(cv_run.config.device).type
    return replace(cv_run, config=cv_run.config.model_copy(update={"device": device}))


def _training_resources(configs: Sequence[TrainConfig], pair_rows: pd.DataFrame) -> parallel.Resources:
    """Return the resources of the most demanding training."""
    synthetic = [paths.SYNTHETIC_BATCH] if any(config.synthetic_ratio for config in configs) else []
    batches = [*pair_rows["batch"].unique(), *synthetic]
    stored = sum(paths.store_path(str(batch)).stat().st_size for batch in batches)
    photos = min(stored, max(config.memory_mb for config in configs) * 2**20)
    accelerator = any(config.device != "cpu" for config in configs)
    return parallel.Resources(max(config.threads for config in configs), WORKING_BYTES + photos, accelerator)


def _selects_epoch(config: TrainConfig) -> bool:
    """Whether an epoch is selected by pairs that are not trained on."""
    return config.keep_epoch == "best" or config.patience > 0


def _prepare_fold(task: FoldTask, pair_rows: pd.DataFrame) -> tuple[job.Job, str, pd.DataFrame]:
    """Return a task's training, the key of its scores, and its held-out `Pairs` rows."""
    cv_run, students = task.cv_run, make_student_keys(pair_rows)
    fold_of = students.map(assign_fold_by_student(sorted(students.unique()), cv_run.folds, task.repeat))
    held_out = fold_of == task.fold
    # The next fold selects the epoch, where one is selected.
    selects_epoch = (fold_of == (task.fold + 1) % cv_run.folds) & _selects_epoch(cv_run.config)
    valid_rows = pair_rows[selects_epoch] if selects_epoch.any() else None
    is_trained_on = ~held_out & ~selects_epoch
    if cv_run.students:
        others = students[is_trained_on].unique()
        if cv_run.students > len(others):
            found = f"{cv_run.students} students to learn from, found {len(others)} in the other folds"
            message = f"crossval: {found}"
            raise ShoepairError(message, fix="take fewer: `--students 2,5`")
        drawn = _order_by_hash(others, f"{task.repeat}/{task.fold}")[: cv_run.students]
        is_trained_on &= students.isin(drawn)
    fold_job = job.build_model_and_job(cv_run.model_name, cv_run.config, pair_rows[is_trained_on], valid_rows)
    return fold_job, fold_job.compute_run_key(pair_rows[held_out]), pair_rows[held_out]


def _score_fold(task_and_key: tuple[FoldTask, str], pair_rows: pd.DataFrame, inputs: StageInputs) -> pd.DataFrame:
    """Train on the other folds and return the held-out pairs with their scores; a task comes with its key.

    The scores are saved at once: a finished fold is not lost while an earlier one still runs. Scores of files that
    have changed are not saved under this key.
    """
    task, key = task_and_key
    path = paths.fold_scores_path(task.cv_run.model_name, key)
    kept = _read_kept_scores(path)
    if kept is not None:  # a worker died after writing them, or another run has the same key
        return kept
    fold_job, _, held_out = _prepare_fold(task, pair_rows)
    checkpoint = loop.CheckpointFile(path.with_suffix(".safetensors"), key, lambda _line: None, inputs)
    fold_job.fit(checkpoint)
    name = task.cv_run.model_name
    logits = inference.score_model(name, fold_job.model, fold_job.load_pairs(held_out))
    scores = held_out.assign(model=name, logit=logits.numpy())
    inputs.check_files()
    _keep_scores(path, scores)
    checkpoint.path.unlink(missing_ok=True)
    return scores


def _keep_scores(path: Path, scores: pd.DataFrame) -> None:
    """Write the scores of a fold, with a checksum: they are no output, so DVC has no digest of them."""
    checked_files.write_checked(path, parquet_files.encode_table(scores, Scores))


def _read_kept_scores(path: Path) -> pd.DataFrame | None:
    """Read the scores of a fold; None if there are none, or they are not as they were written."""
    content = checked_files.read_checked(path)
    return None if content is None else parquet_files.decode_table(content, str(path), Scores)
