"""Grouped cross-validation: every student is judged once a repeat, by models that never saw them.

Folds are of students, the same for all models and parameters, dealt by a hash; test students take no part. The
trainings are tasks on the engine, each on its own `train.threads` cores. A fold's scores are kept as soon as they are
there, under the key of what they depend on, so that a run that was killed, or is asked for again with other models or
parameters, trains only what is missing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import pandas as pd

from shoepair.data import tables
from shoepair.data.naming import DEALT
from shoepair.data.schemas import Scores, students_of
from shoepair.models import devices, inference
from shoepair.runtime import parallel, paths, progress
from shoepair.runtime.errors import ShoepairError
from shoepair.training import job, loop
from shoepair.training.config import TrainConfig

FEWEST = 2  # students in a fold
WORKING = 2**30  # bytes that a training takes beside its photos: torch, and what a batch becomes in the layers
FEWEST_FOLDS = 3  # where one is left out, one to choose an epoch by, and the rest to learn from


@dataclass(frozen=True)
class Plan:
    """The cross-validation of one model with one config.

    Args:
        model: name in the model table.
        folds: parts of the students, each left out once a repeat.
        repeats: times that the students are dealt anew.
        config: how it is trained.
        tried: the parameters that tell it from other plans of the model, such as ("lr", "5.0e-4").
    """

    model: str
    folds: int
    repeats: int
    config: TrainConfig
    tried: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return " ".join([self.model, *(f"{key}={value}" for key, value in self.tried)])


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


@dataclass(frozen=True)
class Task:
    """One training: a model, and the fold that it does not see."""

    plan: Plan
    repeat: int
    fold: int

    def __str__(self) -> str:
        return f"crossval {self.plan}: repeat {self.repeat + 1}, fold {self.fold + 1}"


def run(plans: Sequence[Plan], rows: pd.DataFrame, report: Callable[[str], object]) -> dict[Plan, pd.DataFrame]:
    """Cross-validates several models, or one with several configs, all of their folds as tasks on the engine.

    Args:
        plans: no two are the same.
        rows: `Pairs` rows of all splits; those of train and valid are used.
        report: prints a line after every fold.

    Returns:
        `Folded` rows of each plan, nine pairs of every student in every repeat.

    Raises:
        ShoepairError: there are too few students, or too few folds to choose an epoch by one of them.
    """
    for plan in plans:
        if _chooses(plan.config) and plan.folds < FEWEST_FOLDS:
            found = f"crossval: {plan.folds} folds, expected {FEWEST_FOLDS} or more where one chooses the epoch"
            raise ShoepairError(found, fix="take `--folds 3`, or set `train.keep: last` and `train.patience: 0`")
    own = rows[rows["split"].isin(DEALT)]
    scored: dict[Plan, list[pd.DataFrame]] = {_settled(plan): [] for plan in plans}
    for task, scores in _scores(list(scored), own):
        done = scored[task.plan]
        done.append(scores.assign(repeat=task.repeat, fold=task.fold))
        right = (scores["logit"] > 0) == (scores["same"] == 1)
        share = right.groupby(scores["same"]).mean().mean()
        every = task.plan.repeats * task.plan.folds
        report(f"{task.plan}: {len(done)} of {every} folds, balanced accuracy {share:.1%}")
    return {plan: pd.concat(scored[_settled(plan)], ignore_index=True) for plan in plans}


def _scores(plans: Sequence[Plan], rows: pd.DataFrame) -> Iterator[tuple[Task, pd.DataFrame]]:
    """Every task with the scores of the pairs that it left out: those of an earlier run, or fresh ones."""
    tasks = [Task(plan, *each) for plan in plans for each in product(range(plan.repeats), range(plan.folds))]
    keys = {task: _assemble(task, rows)[1] for task in tasks}
    places = {task: paths.fold(task.plan.model, key) for task, key in keys.items()}
    missing = {task: keys[task] for task in tasks if not places[task].is_file()}
    work, room = partial(_score, rows=rows), _room([plan.config for plan in plans], rows)
    scored = parallel.ordered(work, list(missing.items()), tell=lambda piece: str(piece[0]), room=room)
    what = f"cross-validate {', '.join(dict.fromkeys(plan.model for plan in plans))}"
    for task in progress.track(tasks, what, "fold"):
        scores = next(scored) if task in missing else tables.read(places[task], Scores)
        if not places[task].is_file():  # the worker keeps them too, but perhaps on a disk of its own
            tables.write(places[task], scores, Scores)
        yield task, scores


def _settled(plan: Plan) -> Plan:
    """The same plan with the device that `auto` means here: another machine could have another one."""
    device = devices.chosen(plan.config.device).type
    return replace(plan, config=plan.config.model_copy(update={"device": device}))


def _room(configs: Sequence[TrainConfig], rows: pd.DataFrame) -> parallel.Room:
    """What the most demanding of the trainings takes."""
    batches = [*rows["batch"].unique(), *([paths.SYNTHETIC] if any(each.synthetic for each in configs) else [])]
    stored = sum(paths.store(str(batch)).stat().st_size for batch in batches)
    photos = min(stored, max(each.memory_mb for each in configs) * 2**20)
    accelerator = any(each.device != "cpu" for each in configs)
    return parallel.Room(max(each.threads for each in configs), WORKING + photos, accelerator)


def _chooses(config: TrainConfig) -> bool:
    """Whether an epoch is chosen by pairs that are not learnt from."""
    return config.keep == "best" or config.patience > 0


def _assemble(task: Task, rows: pd.DataFrame) -> tuple[job.Job, str, pd.DataFrame]:
    """The training of a task, the key of its scores, and the pairs of the class that it leaves out."""
    who = students_of(rows)
    fold_of = who.map(deal(sorted(who.unique()), task.plan.folds, task.repeat))
    out = fold_of == task.fold
    # The next fold is what an epoch is chosen by, where one is chosen.
    inner = (fold_of == (task.fold + 1) % task.plan.folds) & _chooses(task.plan.config)
    ready = job.assemble(task.plan.model, task.plan.config, rows[~out & ~inner], rows[inner] if inner.any() else None)
    return ready, ready.key(rows[out]), rows[out]


def _score(piece: tuple[Task, str], rows: pd.DataFrame) -> pd.DataFrame:
    """The pairs that were left out, with the scores of a model trained on the others; a task comes with its key.

    They are kept at once: what is done stays, though an earlier fold is not.
    """
    task, key = piece
    place = paths.fold(task.plan.model, key)
    if place.is_file():  # a worker died after it had written them, or another choice has the same key
        return tables.read(place, Scores)
    ready, _, out = _assemble(task, rows)
    checkpoint = loop.Checkpoint(place.with_suffix(".safetensors"), key, report=lambda _line: None)
    ready.fit(checkpoint, curves=False)
    logits = inference.logits(ready.model, ready.load(out))
    scores = out.assign(model=task.plan.model, logit=(logits[:, 1] - logits[:, 0]).numpy())
    tables.write(place, scores, Scores)
    checkpoint.path.unlink(missing_ok=True)
    return scores
