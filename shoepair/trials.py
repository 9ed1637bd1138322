"""`shoepair crossval`: cross-validation by hand, with parameters to try."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shoepair import crossval, pairs, params, paths, table
from shoepair.errors import ShoepairError


def run(
    models: list[str], folds: int, repeats: int, instead: list[str], report: Callable[[str], object]
) -> dict[str, Any]:
    """Cross-validate models on the same folds.

    Args:
        models: names in the model table; none for all of params.yaml.
        folds: parts of the students.
        repeats: times that the students are dealt anew.
        instead: parameters to take instead of params.yaml's, as `lr=5.0e-4`.
        report: prints a line after every fold.

    Returns:
        What `crossval.summary` returns.

    Raises:
        ShoepairError: a parameter or a model does not exist, or has a value out of its range.
    """
    words = dict(_split(each) for each in instead)
    chosen, evaluated = params.load(params.Train, words), params.load(params.Evaluate, words)
    rows = table.read(paths.PAIRS, pairs.Pairs)
    plans = [crossval.Plan(model, folds, repeats) for model in dict.fromkeys(models or evaluated.models)]
    return crossval.summary(crossval.run_all(plans, chosen, rows, report), evaluated.resamples, evaluated.seed)


def _split(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not equals:
        found = f"--set {word}: expected KEY=VALUE"
        raise ShoepairError(found, fix="write it like `--set lr=5.0e-4`")
    return key, value
