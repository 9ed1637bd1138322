"""One model against another, men's shoes against women's: differences with intervals, and a verdict in words."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from shoepair.data.schemas import students_of
from shoepair.evaluation import bootstrap, metrics
from shoepair.evaluation.bootstrap import FEW, Array
from shoepair.evaluation.metric_names import BASELINE, COMPARED, against

COLUMNS = [list(metrics.FIGURES).index(name) for name in COMPARED]


def assess(scores: pd.DataFrame, models: list[str], resamples: int, seed: int) -> dict[str, Any]:
    """All that is said of the models: the content of `metrics/details.json`; arguments as those of `metrics.evaluate`.

    Returns:
        `best` model by validation; `verdict`: `short` and `text`; `models`: what `evaluate` returns; `temperatures` by
        model; `differences` and `kinds`: what the functions of these names return.
    """
    details = metrics.evaluate(scores, models, resamples, seed)
    found = differences(scores, models, resamples, seed)
    chosen = metrics.best(details)
    short, text = verdict(found, models, chosen)
    return {
        "best": chosen,
        "verdict": {"short": short, "text": text},
        "models": details,
        "temperatures": {model: metrics.temperature(scores[scores["model"] == model]) for model in models},
        "differences": found,
        "kinds": kinds(scores, models, resamples, seed),
    }


def difference(
    before: pd.DataFrame, after: pd.DataFrame, resamples: int, seed: int
) -> tuple[int, float, float, float] | None:
    """How much better one set of answers is than another, on the students that both are about.

    Paired bootstrap: both sides draw the same students, so that what makes a student hard for both cancels. Answers
    that are the same to the last digit come from one model: the difference is 0, and sure.

    Args:
        before: `Scores` rows of one model and one set.
        after: likewise, of another model or another revision.
        resamples: bootstrap draws.
        seed: of the draws.

    Returns:
        Shared students, difference of the balanced accuracy on the standard pairs (after minus before), and the ends
        of its 95 % interval; or None where no student is shared.
    """
    sides = [rows[rows["standard"]].assign(who=students_of) for rows in (before, after)]
    shared = set(sides[0]["who"]) & set(sides[1]["who"])
    if not shared:
        return None
    sides = [side[side["who"].isin(shared)].sort_values("who", kind="stable") for side in sides]
    old, new = (side[["same", "logit"]].to_numpy() for side in sides)
    if np.array_equal(old, new):
        return len(shared), 0.0, 0.0, 0.0
    counts = [metrics.tally(side) for side in sides]  # (T, 2, 2) each

    def gain(weights: Array) -> Array:
        old, new = (metrics.accuracies(np.tensordot(weights, count, axes=1))[2] for count in counts)  # (R,)
        return np.asarray(new - old)[:, None]

    value, low, high = bootstrap.paired(gain, len(shared), resamples, seed)[0].tolist()
    return len(shared), value, low, high


def differences(scores: pd.DataFrame, models: list[str], resamples: int, seed: int) -> list[dict[str, Any]]:
    """Every two models against each other on every set: the one that comes later in the list minus the earlier one.

    Every model answers the same pairs; arguments as those of `metrics.evaluate`.

    Returns:
        One entry per two models and set that has students: `model`, `against`, `set`, `students`, and the differences
        of `balanced`, `balanced_all` and `auc` with the ends of their intervals, named as `metrics.metrics` does.
    """
    found: list[dict[str, Any]] = []
    for name in metrics.SETS:
        rows = metrics.of_set(scores, name)
        figures = {model: metrics.Figures(own) for model in models if len(own := rows[rows["model"] == model])}
        for (base, model), gain in gained(figures, resamples, seed).items():
            entry = {"model": model, "against": base, "set": name, "students": figures[model].students}
            found.append(entry | gain)
    return found


def gained(figures: dict[str, metrics.Figures], resamples: int, seed: int) -> dict[tuple[str, str], dict[str, float]]:
    """(earlier, later) model -> what the later one has more, with intervals: `balanced`, `balanced_all`, `auc`.

    The figures by model are of the same students.
    """
    if len(figures) < 2:
        return {}

    def gains(weights: Array) -> Array:  # one after the other, each model's figures being worked out once
        got = {model: each(weights)[:, COLUMNS] for model, each in figures.items()}
        return np.concatenate([got[model] - got[base] for base, model in combinations(got, 2)], axis=1)

    found = bootstrap.paired(gains, next(iter(figures.values())).students, resamples, seed)
    parts = np.split(found, len(found) // len(COMPARED))  # (3, 3) each
    named = [metrics.named(list(COMPARED), part) for part in parts]
    return dict(zip(combinations(figures, 2), named, strict=True))


def kinds(scores: pd.DataFrame, models: list[str], resamples: int, seed: int) -> dict[str, Any]:
    """How much better every model does on men's shoes (test_m) than on women's (test_w): different students.

    Returns:
        model -> `students_m`, `students_w`, and the differences of `balanced`, `balanced_all` and `auc`, named as
        `metrics.metrics` does; or {"left_out": why}, where a set has no students.
    """
    empty = [name for name in metrics.TESTS if not len(metrics.of_set(scores, name))]
    if empty:
        return {"left_out": f"no students in {' and '.join(empty)}"}
    table: dict[str, Any] = {}
    for model in models:
        sides = [metrics.of_set(scores[scores["model"] == model], name) for name in metrics.TESTS]
        found = bootstrap.unpaired(*(metrics.intervals(side, resamples, seed)[COLUMNS] for side in sides))
        men, women = (int(students_of(side).nunique()) for side in sides)
        table[model] = {"students_m": men, "students_w": women} | metrics.named(list(COMPARED), found)
    return table


def verdict(found: list[dict[str, Any]], models: list[str], chosen: str) -> tuple[str, str]:
    """Say whether the best model beats the baseline, by both tests together: whether the interval lies above 0.

    Args:
        found: what `differences` returns.
        models: that were trained.
        chosen: the best of them by validation.

    Returns:
        A short text for a narrow table, and one with the numbers.
    """
    if BASELINE not in models:
        return "no baseline trained", f"{BASELINE} was not trained: {chosen} is held against nothing"
    if chosen == BASELINE:
        return f"{BASELINE} is best", f"by validation no network is better than {BASELINE}"
    entry = next((each for each in against(found, chosen, BASELINE) if each["set"] == metrics.TEST), None)
    if entry is None:
        return "no test students", f"{chosen} and {BASELINE} met no test student"
    gain, low, high = (entry[name] for name in ("balanced_all", "low_all", "high_all"))
    told = f"{gain:+.1%} balanced accuracy ({low:+.1%} to {high:+.1%}) over {entry['students']} test students"
    if entry["students"] < FEW:
        return "too few test students", f"{chosen} against {BASELINE}: {told}, which are too few to tell"
    how = "clearly better than" if low > 0 else "clearly worse than" if high < 0 else "not clearly better than"
    return f"{how} {BASELINE}", f"{chosen} is {how} {BASELINE}: {told}"
