"""`shoepair crossval`: cross-validation by hand, with parameters to try; several values make a grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import pandas as pd

from shoepair.data import schemas, tables
from shoepair.evaluation.comparison import gained
from shoepair.evaluation.config import Evaluate
from shoepair.evaluation.metric_names import BASELINE
from shoepair.evaluation.metrics import Figures, metrics
from shoepair.runtime import params, paths
from shoepair.runtime.errors import ShoepairError
from shoepair.training import crossval
from shoepair.training.config import TrainConfig
from shoepair.training.crossval import Plan

WHOLE = ("[", "{", '"', "'")  # a value that begins so is one value, whatever commas are in it


def run(
    models: list[str], folds: int, repeats: int, overrides: list[str], report: Callable[[str], object]
) -> dict[str, Any]:
    """Cross-validate models, or without any all of params.yaml, on the same folds; tells a line after every fold.

    Of an override such as `lr=5.0e-4,1.0e-3` each value is tried, with each value of every other one. It returns what
    `summary` returns.

    Raises:
        ShoepairError: a parameter or a model does not exist, or has a value out of its range.
    """
    trials = grid(overrides)
    evaluated = params.load(Evaluate, trials[0])
    tried: dict[TrainConfig, dict[str, str]] = {}
    varied = [key for key in trials[0] if len({each[key] for each in trials}) > 1]
    for trial in trials:  # 1.0e-3 and 0.001 are one config
        tried.setdefault(params.load(TrainConfig, trial), {key: trial[key] for key in varied})
    choices = list(product(dict.fromkeys(models or evaluated.models), tried.items()))
    plans = [Plan(model, folds, repeats, config, tuple(own.items())) for model, (config, own) in choices]
    rows = tables.read(paths.PAIRS, schemas.Pairs)
    return summary(crossval.run(plans, rows, report), evaluated.resamples, evaluated.seed)


def summary(scores: Mapping[Plan, pd.DataFrame], resamples: int, seed: int) -> dict[str, Any]:
    """What the models did on students that they did not see, from `Folded` rows; all folds and repeats together.

    Returns:
        By each plan's text what `metrics.metrics` returns, with its `model` and, as `set`, what was tried. Beside
        the histogram with the same parameters, where that is there, `above_histogram`, and beside the first
        parameters tried with the same model, where there are several, `above_first`: the paired differences of
        `comparison.gained`.
    """
    found: dict[str, Any] = {}
    figures = {plan: Figures(rows) for plan, rows in scores.items()}
    for plan, rows in scores.items():
        found[str(plan)] = got = metrics(rows, resamples, seed) | {"model": plan.model, "set": dict(plan.tried)}
        baseline = replace(plan, model=BASELINE)
        first = next(each for each in scores if each.model == plan.model)
        for name, other in (("above_histogram", baseline), ("above_first", first)):
            if other in scores and other != plan:
                two = {"other": figures[other], "plan": figures[plan]}
                got[name] = gained(two, resamples, seed)["other", "plan"]
    return found


def grid(overrides: list[str]) -> list[dict[str, str]]:
    """Every combination of the values that are to be tried; a parameter that comes twice has the values of both.

    Returns:
        Values by parameter, as text: [{}] where there are no words.

    Raises:
        ShoepairError: a word has another form, or several values of a parameter that training does not have.
    """
    tried: dict[str, list[str]] = {}
    for key, values in map(_split, overrides):
        tried[key] = list(dict.fromkeys([*tried.get(key, []), *values]))
        if len(tried[key]) > 1 and key not in params.keys(TrainConfig):
            found = f"--set {key}: {len(tried[key])} values, expected one of what is no parameter of training"
            raise ShoepairError(found, fix=f"try several of {', '.join(sorted(params.keys(TrainConfig)))}")
    return [dict(zip(tried, values, strict=True)) for values in product(*tried.values())]


def _split(word: str) -> tuple[str, list[str]]:
    key, equals, value = word.partition("=")
    if not equals:
        found = f"--set {word}: expected KEY=VALUE"
        raise ShoepairError(found, fix="write it like `--set lr=5.0e-4`, or `--set lr=5.0e-4,1.0e-3` to try both")
    values = [value] if value.startswith(WHOLE) else value.split(",")
    return key, [each.strip() for each in values]
