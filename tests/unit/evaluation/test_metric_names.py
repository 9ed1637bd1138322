"""Names of metrics, and differences in both directions."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shoepair.evaluation import metric_names
from shoepair.models import registry
from shoepair.models.registry import MODEL_CLASSES

ENTRY: dict[str, Any] = {
    "model": "cnn",
    "against": "histogram",
    "split": "test",
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


def test_reversed_difference_changes_signs_and_swaps_ends() -> None:
    (swapped,) = metric_names.differences_against([ENTRY], "histogram", "cnn")
    assert swapped == {
        "model": "histogram",
        "against": "cnn",
        "split": "test",
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
    assert list(swapped) == list(ENTRY)
    assert "-0.0" not in {str(value) for value in swapped.values()}, "negative zero"


def test_only_entries_of_the_two_models_are_selected_in_order() -> None:
    entries = [
        {**ENTRY, "split": split, "model": model, "against": reference}
        for split in ("valid", "test")
        for model, reference in (("cnn", "histogram"), ("siamese", "histogram"), ("siamese", "cnn"))
    ]
    before = deepcopy(entries)
    selected = metric_names.differences_against(entries, "cnn", "siamese")
    assert [(entry["split"], entry["model"], entry["against"]) for entry in selected] == [
        ("valid", "cnn", "siamese"),
        ("test", "cnn", "siamese"),
    ]
    assert metric_names.differences_against(entries, "siamese", "cnn") == [before[2], before[5]]
    assert metric_names.differences_against(entries, "cnn", "cnn_channel") == []
    assert entries == before, "the argument has changed"


@given(st.lists(st.floats(-1, 1), min_size=9, max_size=9))
@settings(max_examples=30, deadline=None)
def test_reversing_twice_changes_nothing(numbers: list[float]) -> None:
    names = [name for name in ENTRY if isinstance(ENTRY[name], float)]
    entry = ENTRY | dict(zip(names, numbers, strict=True))
    (swapped,) = metric_names.differences_against([entry], "histogram", "cnn")
    assert metric_names.differences_against([swapped], "cnn", "histogram") == [entry]


def test_difference_is_written_in_percentage_points() -> None:
    assert metric_names.format_difference(ENTRY, "balanced") == "+10.0 points (-5.0 to +30.0)"
    assert metric_names.format_difference(ENTRY | {"balanced": -0.0}, "balanced").startswith("+0.0 points")


def test_baseline_is_a_model_and_each_compared_metric_has_ends_in_a_difference() -> None:
    assert metric_names.BASELINE_MODEL in MODEL_CLASSES
    assert tuple(filter(registry.is_pretrained, MODEL_CLASSES)) == metric_names.PRETRAINED_MODELS
    for name in metric_names.COMPARED_METRICS:
        _, *ends = metric_names.interval_names(name)
        assert {name, *ends} <= set(ENTRY)
