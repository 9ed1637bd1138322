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

from shoepair.data import loading, tables
from shoepair.data.naming import DEALT
from shoepair.data.schemas import Scores, students_of
from shoepair.models import devices, inference, registry
from shoepair.runtime import cpu, parallel, paths, progress
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.params import Train
from shoepair.training import checkpoints, config, loop
from shoepair.training.placement import placed

FEWEST = 2  # students in a fold
WORKING = 2**30  # bytes that a training takes beside its photos: torch, and what a batch becomes in the layers
FEWEST_FOLDS = 3  # where one is left out, one to choose an epoch by, and the rest to learn from


@dataclass(frozen=True)
class Choice:
    """The parameters of a training.

    Args:
        tried: those that tell them from others that are tried beside them, such as ("lr", "5.0e-4").
        chosen: all of them.
    """

    tried: tuple[tuple[str, str], ...]
    chosen: Train


@dataclass(frozen=True)
class Plan:
    """What is trained.

    Args:
        model: name in the model table.
        folds: parts of the students, each left out once a repeat.
        repeats: times that the students are dealt anew.
        choice: how.
    """

    model: str
    folds: int
    repeats: int
    choice: Choice

    def __str__(self) -> str:
        return " ".join([self.model, *(f"{key}={value}" for key, value in self.choice.tried)])


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

    @property
    def chosen(self) -> Train:
        """How it is trained."""
        return self.plan.choice.chosen

    def __str__(self) -> str:
        return f"crossval {self.plan}: repeat {self.repeat + 1}, fold {self.fold + 1}"


@dataclass(frozen=True)
class Parts:
    """The pairs of one training: what is learnt from, what chooses an epoch where one is chosen, what is left out."""

    train: pd.DataFrame
    valid: pd.DataFrame | None
    out: pd.DataFrame

    def learnt(self) -> list[pd.DataFrame]:
        """What is not left out."""
        return [self.train] if self.valid is None else [self.train, self.valid]


def run(plan: Plan, rows: pd.DataFrame, report: Callable[[str], object]) -> pd.DataFrame:
    """Cross-validate one model.

    Args:
        plan: model, folds, repeats, parameters.
        rows: `Pairs` rows of all splits; those of train and valid are used.
        report: prints a line after every fold.

    Returns:
        `Folded` rows, nine pairs of every student in every repeat.

    Raises:
        ShoepairError: there are too few students, or too few folds to choose an epoch by one of them.
    """
    return run_all([plan], rows, report)[plan]


def run_all(plans: Sequence[Plan], rows: pd.DataFrame, report: Callable[[str], object]) -> dict[Plan, pd.DataFrame]:
    """Cross-validate several models, or one with several parameters, all of their folds as tasks on the engine.

    Args:
        plans: no two are the same.
        rows: see `run`.
        report: see `run`.

    Returns:
        What `run` returns, of each plan.

    Raises:
        ShoepairError: see `run`.
    """
    for plan in plans:
        if _chooses(plan.choice.chosen) and plan.folds < FEWEST_FOLDS:
            found = f"crossval: {plan.folds} folds, expected {FEWEST_FOLDS} or more where one chooses the epoch"
            raise ShoepairError(found, fix="take `--folds 3`, or set `train.keep: last` and `train.patience: 0`")
    dealt = rows[rows["split"].isin(DEALT)]
    scored: dict[Plan, list[pd.DataFrame]] = {_settled(plan): [] for plan in plans}
    learnt = loading.beside(dealt, max(plan.choice.chosen.synthetic for plan in plans), only_standard=False)
    for task, scores in _scores(list(scored), learnt):
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
    keys = {task: _key(task, rows) for task in tasks}
    places = {task: paths.fold(task.plan.model, key) for task, key in keys.items()}
    missing = {task: keys[task] for task in tasks if not places[task].is_file()}
    work, room = partial(_score, rows=rows), _room([plan.choice.chosen for plan in plans], rows)
    scored = parallel.ordered(work, list(missing.items()), tell=lambda piece: str(piece[0]), room=room)
    what = f"cross-validate {', '.join(dict.fromkeys(plan.model for plan in plans))}"
    for task in progress.track(tasks, what, "fold"):
        scores = next(scored) if task in missing else tables.read(places[task], Scores)
        if not places[task].is_file():  # the worker keeps them too, but perhaps on a disk of its own
            tables.write(places[task], scores, Scores)
        yield task, scores


def _settled(plan: Plan) -> Plan:
    """The same plan with the device that `auto` means here: another machine could have another one."""
    chosen = plan.choice.chosen
    device = devices.chosen(chosen.device).type
    return replace(plan, choice=replace(plan.choice, chosen=chosen.model_copy(update={"device": device})))


def _room(chosen: Sequence[Train], rows: pd.DataFrame) -> parallel.Room:
    """What the most demanding of the trainings takes."""
    stored = sum(paths.store(str(batch)).stat().st_size for batch in rows["batch"].unique())
    photos = min(stored, max(each.memory_mb for each in chosen) * 2**20)
    accelerator = any(each.device != "cpu" for each in chosen)
    return parallel.Room(max(each.threads for each in chosen), WORKING + photos, accelerator)


def _chooses(chosen: Train) -> bool:
    """Whether an epoch is chosen by pairs that are not learnt from."""
    return chosen.keep == "best" or chosen.patience > 0


def _parts(task: Task, whole: pd.DataFrame, recipe: config.TrainConfig) -> Parts:
    """The pairs of a task, from those of the class and, behind them, of drawn students, who are in no fold."""
    own = whole["batch"] != paths.SYNTHETIC
    rows = whole[own]
    who = students_of(rows)
    fold_of = who.map(deal(sorted(who.unique()), task.plan.folds, task.repeat))
    # The next fold is what an epoch is chosen by, where one is chosen.
    inner = fold_of == (task.fold + 1) % task.plan.folds
    out = fold_of == task.fold
    needed = _chooses(task.chosen)
    train = rows[~out & ~(inner & needed)]
    beside = [whole[~own]] if recipe.synthetic else []
    return Parts(pd.concat([train, *beside]), rows[inner] if needed else None, rows[out])


def _key(task: Task, rows: pd.DataFrame) -> str:
    """What the scores of a task depend on."""
    chosen = task.chosen
    model = registry.build(task.plan.model, config.shape_of(chosen), chosen.seed)
    recipe = loop.suited(config.of(chosen), model)
    device, parts = placed(model, devices.chosen(chosen.device)), _parts(task, rows, recipe)
    about = (task.plan.model, model.shape, recipe, device, chosen.threads)
    return checkpoints.key(about, [*parts.learnt(), parts.out])


def _score(piece: tuple[Task, str], rows: pd.DataFrame) -> pd.DataFrame:
    """The pairs that were left out, with the scores of a model trained on the others; a task comes with its key.

    They are kept at once: what is done stays, though an earlier fold is not.
    """
    task, key = piece
    chosen, place = task.chosen, paths.fold(task.plan.model, key)
    if place.is_file():  # a worker died after it had written them, or another choice has the same key
        return tables.read(place, Scores)
    cpu.use_threads(chosen.threads)
    model = registry.build(task.plan.model, config.shape_of(chosen), chosen.seed)
    recipe = loop.suited(config.of(chosen), model)
    parts = _parts(task, rows, recipe)
    device = placed(model, devices.chosen(chosen.device))
    learnt = [each[each["standard"] | (not loop.standard_only(model, recipe))] for each in parts.learnt()]
    memory = chosen.memory_mb * 2**20
    *sources, out = [loading.within(each, chosen.edge, memory, device) for each in [*learnt, parts.out]]
    checkpoint = loop.Checkpoint(place.with_suffix(".safetensors"), key, report=lambda _line: None)
    valid = sources[1] if len(sources) > 1 else None
    loop.fit(model, sources[0], valid, recipe, checkpoint, curves=False)
    answers = inference.logits(model, out)
    scores = parts.out.assign(model=task.plan.model, logit=(answers[:, 1] - answers[:, 0]).numpy())
    tables.write(place, scores, Scores)
    checkpoint.path.unlink(missing_ok=True)
    return scores
