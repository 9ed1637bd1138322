"""Names of figures, and differences seen from either side."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shoepair.evaluation import metric_names
from shoepair.models.registry import MODELS

ENTRY: dict[str, Any] = {
    "model": "cnn",
    "against": "histogram",
    "set": "test",
    "students": 22,
    "balanced": 0.1,
    "low": -0.05,
    "high": 0.3,
    "balanced_all": 0.0,
    "low_all": -0.25,
    "high_all": 0.5,
    "auc": -0.125,
    "auc_low": -0.5,
    "auc_high": 0.0,
}


def test_difference_seen_from_the_other_side_changes_signs_and_ends() -> None:
    (turned,) = metric_names.against([ENTRY], "histogram", "cnn")
    assert turned == {
        "model": "histogram",
        "against": "cnn",
        "set": "test",
        "students": 22,
        "balanced": -0.1,
        "low": -0.3,
        "high": 0.05,
        "balanced_all": 0.0,
        "low_all": -0.5,
        "high_all": 0.25,
        "auc": 0.125,
        "auc_low": 0.0,
        "auc_high": 0.5,
    }
    assert list(turned) == list(ENTRY)
    assert "-0.0" not in {str(value) for value in turned.values()}, "a difference of nothing has no sign"


def test_only_entries_of_the_two_models_are_found_in_their_order() -> None:
    entries = [
        {**ENTRY, "set": name, "model": model, "against": other}
        for name in ("valid", "test")
        for model, other in (("cnn", "histogram"), ("siamese", "histogram"), ("siamese", "cnn"))
    ]
    before = deepcopy(entries)
    found = metric_names.against(entries, "cnn", "siamese")
    assert [(each["set"], each["model"], each["against"]) for each in found] == [
        ("valid", "cnn", "siamese"),
        ("test", "cnn", "siamese"),
    ]
    assert metric_names.against(entries, "siamese", "cnn") == [before[2], before[5]]
    assert metric_names.against(entries, "cnn", "cnn_channel") == []
    assert entries == before, "what was given has changed"


@given(st.lists(st.floats(-1, 1), min_size=9, max_size=9))
@settings(max_examples=30, deadline=None)
def test_turned_twice_is_what_it_was(numbers: list[float]) -> None:
    names = [name for name in ENTRY if isinstance(ENTRY[name], float)]
    entry = ENTRY | dict(zip(names, numbers, strict=True))
    (turned,) = metric_names.against([entry], "histogram", "cnn")
    assert metric_names.against([turned], "cnn", "histogram") == [entry]


def test_baseline_is_a_model_and_each_compared_figure_has_ends_in_a_difference() -> None:
    assert metric_names.BASELINE in MODELS
    for figure in metric_names.COMPARED:
        ends = metric_names.ENDS.get(figure, (f"{figure}_low", f"{figure}_high"))
        assert {figure, *ends} <= set(ENTRY)
