"""`shoepair crossval`: cross-validation by hand, with parameters to try; several values make a grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

from shoepair import crossval, pairs, params, paths, table
from shoepair.errors import ShoepairError

WHOLE = ("[", "{", '"', "'")  # a value that begins so is one value, whatever commas are in it


def run(
    models: list[str], folds: int, repeats: int, instead: list[str], report: Callable[[str], object]
) -> dict[str, Any]:
    """Cross-validate models on the same folds.

    Args:
        models: names in the model table; none for all of params.yaml.
        folds: parts of the students.
        repeats: times that the students are dealt anew.
        instead: parameters to take instead of params.yaml's, as `lr=5.0e-4`; of `lr=5.0e-4,1.0e-3` each value is
            tried, with each value of every other one.
        report: prints a line after every fold.

    Returns:
        What `crossval.summary` returns.

    Raises:
        ShoepairError: a parameter or a model does not exist, or has a value out of its range.
    """
    trials = grid(instead)
    evaluated = params.load(params.Evaluate, trials[0])
    choices = [crossval.Choice(told(trial, trials), params.load(params.Train, trial)) for trial in trials]
    names = dict.fromkeys(models or evaluated.models)
    plans = [crossval.Plan(model, folds, repeats, choice) for model in names for choice in choices]
    rows = table.read(paths.PAIRS, pairs.Pairs)
    return crossval.summary(crossval.run_all(plans, rows, report), evaluated.resamples, evaluated.seed)


def grid(instead: list[str]) -> list[dict[str, str]]:
    """Every combination of the values that are to be tried.

    Args:
        instead: words like `lr=5.0e-4` or `lr=5.0e-4,1.0e-3`; where a parameter comes twice, the last word counts.

    Returns:
        Values by parameter, as text: [{}] where there are no words.

    Raises:
        ShoepairError: a word has another form.
    """
    tried = dict(_split(word) for word in instead)
    return [dict(zip(tried, values, strict=True)) for values in product(*tried.values())]


def told(trial: Mapping[str, str], trials: list[dict[str, str]]) -> str:
    """What tells one combination from the others: "lr=5.0e-4 train.affine=0.5"; nothing where it is the only one."""
    return " ".join(f"{key}={value}" for key, value in trial.items() if len({each[key] for each in trials}) > 1)


def _split(word: str) -> tuple[str, list[str]]:
    key, equals, value = word.partition("=")
    if not equals:
        found = f"--set {word}: expected KEY=VALUE"
        raise ShoepairError(found, fix="write it like `--set lr=5.0e-4`, or `--set lr=5.0e-4,1.0e-3` to try both")
    values = [value] if value.startswith(WHOLE) else value.split(",")
    return key, list(dict.fromkeys(each.strip() for each in values))
