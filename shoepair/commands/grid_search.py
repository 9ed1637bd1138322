"""`shoepair crossval`: cross-validation of models, also over a grid of parameter values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import pandas as pd

from shoepair.data import parquet_files, schemas
from shoepair.evaluation.comparison import paired_metric_differences
from shoepair.evaluation.config import EvaluateConfig
from shoepair.evaluation.metric_names import BASELINE_MODEL
from shoepair.evaluation.metrics import compute_metrics, estimate_metrics
from shoepair.runtime import params, paths, stage_inputs
from shoepair.runtime.errors import ShoepairError
from shoepair.training import crossval
from shoepair.training.config import AnyTrainConfig
from shoepair.training.crossval import CVRun

MIN_LEARNT_FROM = 2  # students: from one alone little can be fitted
LITERAL_PREFIXES = ("[", "{", '"', "'")  # a value that starts so is not split at commas


def cross_validate_grid(
    models: list[str],
    folds: int,
    repeats: int,
    overrides: list[str],
    print_line: Callable[[str], object],
    student_counts: Sequence[int] = (0,),
    against: str = BASELINE_MODEL,
) -> dict[str, Any]:
    """Cross-validate models with every combination of the given parameter values, all on the same folds.

    Args:
        models: names; empty: those of params.yaml.
        folds: parts of the students.
        repeats: partitions into folds.
        overrides: such as `lr=5.0e-4,1.0e-3`: each value is tried with each value of every other override.
        print_line: gets a line after every fold.
        student_counts: from how many students models learn, see `CVRun`; each count is tried.
        against: the model that the others are compared with, if it is one of them.

    Returns:
        What `metrics_by_run` returns.

    Raises:
        ShoepairError: a parameter or model does not exist, or a value is out of range.
    """
    trials = expand_grid(overrides)
    evaluate = params.load(EvaluateConfig, trials[0])
    varied = [key for key in trials[0] if len({trial[key] for trial in trials}) > 1]
    values_by_config: dict[AnyTrainConfig, dict[str, str]] = {}
    for trial in trials:  # 1.0e-3 and 0.001 are one config
        values_by_config.setdefault(params.load(AnyTrainConfig, trial), {key: trial[key] for key in varied})
    names = dict.fromkeys(models or evaluate.all_models)
    if against != BASELINE_MODEL and against not in names:
        message = f"--against {against}: expected one of the models that are cross-validated: {', '.join(names)}"
        raise ShoepairError(message, fix=f"name it too: `shoepair crossval {' '.join(names)} {against}`")
    choices = product(names, student_counts, values_by_config.items())
    runs = [
        CVRun(model, folds, repeats, config, tuple(values.items()), count)
        for model, count, (config, values) in choices
    ]
    with stage_inputs.watch_files("crossval", "crossval"):  # folds are kept, under a key of these files
        rows = parquet_files.read_table(paths.PAIRS, schemas.Pairs)
        scores = crossval.cross_validate(runs, rows, print_line)
    return metrics_by_run(scores, evaluate.resamples, evaluate.seed, against)


def metrics_by_run(
    scores_by_run: Mapping[CVRun, pd.DataFrame], resamples: int, seed: int, against: str = BASELINE_MODEL
) -> dict[str, Any]:
    """Compute the metrics of every cross-validation run, over all folds and repeats, from `FoldScores` rows.

    Returns:
        By the text of each run what `metrics.compute_metrics` returns, with its `model` and the varied `parameters`,
        and `learnt_from`, how many students each fold was trained on, if these were not all others.
        `above_<against>` and `above_first` hold the paired differences of `comparison.paired_metric_differences` from
        that model with the same parameters, and from the first run of the same model, where these are other runs.
    """
    summary: dict[str, Any] = {}
    estimates, runs = estimate_metrics(scores_by_run, resamples, seed), list(scores_by_run)
    for run, rows in scores_by_run.items():
        names: dict[str, Any] = {"model": run.model_name, "parameters": dict(run.overrides)}
        if run.students:
            names["learnt_from"] = run.students
        summary[str(run)] = entry = compute_metrics(rows, resamples, seed) | names
        baseline = replace(run, model_name=against)
        first = next(other for other in scores_by_run if other.model_name == run.model_name)
        for name, other in ((f"above_{against}", baseline), ("above_first", first)):
            if other in scores_by_run and other != run:
                entry[name] = paired_metric_differences(estimates, runs.index(run), runs.index(other))
    return summary


def expand_grid(overrides: list[str]) -> list[dict[str, str]]:
    """Expand overrides such as `lr=5.0e-4,1.0e-3` into all combinations of values, each a dict by parameter.

    The values of a parameter that occurs twice are joined. Without overrides the result is [{}].

    Raises:
        ShoepairError: an override is malformed, or has several values for a parameter outside of `train`.
    """
    grid: dict[str, list[str]] = {}
    for key, values in map(_parse_override, overrides):
        grid[key] = list(dict.fromkeys([*grid.get(key, []), *values]))
        if len(grid[key]) > 1 and key not in params.section_keys(AnyTrainConfig):
            message = f"--set {key}: {len(grid[key])} values, expected one, since it is not a parameter of training"
            raise ShoepairError(
                message, fix=f"try several of {', '.join(sorted(params.section_keys(AnyTrainConfig)))}"
            )
    return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]


def parse_student_counts(text: str) -> list[int]:
    """Parse how many students models learn from, such as "2,5,10", each once; "" means all, [0].

    Raises:
        ShoepairError: they are no whole numbers of 2 or more.
    """
    counts = [part.strip() for part in text.split(",")] if text else []
    if wrong := [part for part in counts if not (part.isascii() and part.isdigit() and int(part) >= MIN_LEARNT_FROM)]:
        message = f"--students {text}: found {wrong[0]!r}, expected whole numbers of {MIN_LEARNT_FROM} or more"
        raise ShoepairError(message, fix="write them like `--students 2,5,10`")
    return list(dict.fromkeys(map(int, counts))) or [0]


def _parse_override(override: str) -> tuple[str, list[str]]:
    key, equals, value = override.partition("=")
    if not equals:
        message = f"--set {override}: expected KEY=VALUE"
        raise ShoepairError(message, fix="write it like `--set lr=5.0e-4`, or `--set lr=5.0e-4,1.0e-3` to try both")
    values = [value] if value.startswith(LITERAL_PREFIXES) else value.split(",")
    return key, [value.strip() for value in values]
