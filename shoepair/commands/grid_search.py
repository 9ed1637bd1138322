"""`shoepair crossval`: cross-validation by hand, with parameters to try; several values make a grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from shoepair.evaluation.comparison import gained
from shoepair.evaluation.metric_names import BASELINE
from shoepair.evaluation.metrics import Figures, metrics
from shoepair.training.crossval import Plan


def summary(scores: Mapping[Plan, pd.DataFrame], resamples: int, seed: int) -> dict[str, Any]:
    """What the models did on students that they did not see, all folds and repeats together.

    Args:
        scores: `Folded` rows of the same students and repeats.
        resamples: bootstrap draws behind every interval.
        seed: of the draws.

    Returns:
        By each plan's text what `evaluation.metrics` returns, with its `model` and, as `set`, what was tried. Beside
        the histogram with the same parameters, where that is there, `above_histogram`, and beside the first
        parameters tried with the same model, where there are several, `above_first`: the paired differences of
        `comparison.gained`.
    """
    found: dict[str, Any] = {}
    figures = {plan: Figures(rows) for plan, rows in scores.items()}
    for plan, rows in scores.items():
        found[str(plan)] = got = metrics(rows, resamples, seed) | {"model": plan.model, "set": dict(plan.choice.tried)}
        baseline = replace(plan, model=BASELINE)
        first = next(each for each in scores if each.model == plan.model)
        for name, other in (("above_histogram", baseline), ("above_first", first)):
            if other in scores and other != plan:
                two = {"other": figures[other], "plan": figures[plan]}
                got[name] = gained(two, resamples, seed)["other", "plan"]
    return found
