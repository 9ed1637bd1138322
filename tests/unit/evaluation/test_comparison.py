"""Differences between models and between men's and women's shoes, and the verdict in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.classes import scores_of
from support.settings import mark_as_project

from shoepair.commands.history import cli
from shoepair.evaluation import comparison, metric_names, metrics
from shoepair.reports import terminal_tables
from shoepair.reports.text_tables import plain_text
from shoepair.runtime import json_files, paths
from shoepair.runtime.errors import ShoepairError

MODELS = ["histogram", "cnn", "siamese"]
NUMBERS = ("balanced", "low", "high", "balanced_all", "low_all", "high_all", "auc", "auc_low", "auc_high")


def all_scores(noise: dict[str, float], *, men: int = 12, women: int = 10) -> pd.DataFrame:
    """Return scores of models on all splits; less noise, better scores."""
    parts = []
    for number, (model, deviation) in enumerate(noise.items()):
        sizes = {"valid": (15, 0), "test_m": (men, 100), "test_w": (women, 200)}
        for split, (students, first) in sizes.items():
            if students:
                seed = 10 * number + first
                parts.append(scores_of(students, seed, split=split, model=model, noise=deviation, first=first))
    return pd.concat(parts)


def test_every_two_models_are_compared_on_every_split() -> None:
    scores = all_scores({"histogram": 1.5, "cnn": 1.0, "siamese": 0.5})
    estimates = metrics.estimates_by_split(scores, MODELS, 200, 1)
    entries = comparison.list_split_differences(estimates, MODELS)
    assert [(entry["model"], entry["against"]) for entry in entries if entry["split"] == "test"] == [
        ("cnn", "histogram"),
        ("siamese", "histogram"),
        ("siamese", "cnn"),
    ]
    assert [entry["split"] for entry in entries[::3]] == ["valid", "test_m", "test_w", "test"]
    details = metrics.metrics_by_model_and_split(scores, MODELS, estimates)
    for entry in entries:
        later, earlier = (details[entry[side]][entry["split"]] for side in ("model", "against"))
        assert entry["students"] == later["students"]
        for metric in metric_names.COMPARED_METRICS:
            assert entry[metric] == pytest.approx(later[metric] - earlier[metric], abs=2e-4)
        assert entry["low_all"] <= entry["balanced_all"] <= entry["high_all"]


def test_difference_of_two_tables_is_that_of_the_models() -> None:
    scores = all_scores({"histogram": 1.5, "cnn": 1.0})
    names = ["histogram", "cnn"]
    entries = comparison.list_split_differences(metrics.estimates_by_split(scores, names, 300, 1), names)
    entry = next(entry for entry in entries if entry["split"] == "test")
    rows = metrics.select_split_rows(scores, "test")
    before, after = (rows[rows["model"] == model] for model in ("histogram", "cnn"))
    difference = comparison.shared_count_and_accuracy_interval(before, after, 300, 1)
    assert difference == pytest.approx((22, entry["balanced"], entry["low"], entry["high"]), abs=1e-4)


def test_reversed_difference_equals_that_of_swapped_models() -> None:
    scores = all_scores({"histogram": 1.5, "cnn": 1.0})
    forward, backward = (
        comparison.list_split_differences(metrics.estimates_by_split(scores, names, 200, 1), names)
        for names in (["histogram", "cnn"], ["cnn", "histogram"])
    )
    swapped = metric_names.differences_against(forward, "histogram", "cnn")
    for entry, expected in zip(swapped, backward, strict=True):
        assert entry.keys() == expected.keys()
        assert all(entry[name] == expected[name] for name in entry.keys() - set(NUMBERS))
        assert [entry[name] for name in NUMBERS] == pytest.approx([expected[name] for name in NUMBERS], abs=1.1e-4)
    assert metric_names.differences_against(swapped, "cnn", "histogram") == forward


def verdict(noise: dict[str, float], **sizes: int) -> tuple[str, str]:
    scores = all_scores(noise, **sizes)
    details = comparison.compare_models(scores, list(noise), 200, 1)
    return details["verdict"]["short"], details["verdict"]["text"]


def test_verdict_follows_the_interval() -> None:
    short, text = verdict({"histogram": 2.0, "cnn": 0.4})
    assert short.startswith("clearly better than histogram: +")
    assert short.endswith(")"), "without its interval"
    assert "cnn is clearly better than histogram: +" in text
    assert "over 22 test students" in text
    assert verdict({"histogram": 1.0, "cnn": 0.99})[0].startswith("not clearly better than histogram: ")
    assert verdict({"histogram": 0.4, "cnn": 2.0})[0] == "histogram is best"
    assert verdict({"cnn": 0.4})[0] == "no baseline trained"
    assert verdict({"histogram": 0.6, "cnn": 0.4}, men=2, women=1)[0].startswith("not clearly better"), (
        "three students"
    )
    assert verdict({"histogram": 2.0, "cnn": 0.4}, men=0, women=0)[0] == "no test students"


def test_best_model_by_validation_may_be_worse_on_tests() -> None:
    scores = all_scores({"histogram": 0.8, "cnn": 0.4})
    tested = (scores["model"] == "cnn") & (scores["split"] != "valid")
    scores.loc[tested, "logit"] = np.random.default_rng(1).normal(size=tested.sum()).astype(np.float32)
    details = comparison.compare_models(scores, ["histogram", "cnn"], 200, 1)
    assert details["best"] == "cnn", "chosen by test students"
    assert details["verdict"]["short"].startswith("clearly worse than histogram: -")


def test_men_and_women_are_compared_as_different_students() -> None:
    scores = all_scores({"cnn": 0.8}, men=12, women=9)
    estimates = metrics.estimates_by_split(scores, ["cnn"], 300, 1)
    entry = comparison.men_minus_women_by_model(estimates, ["cnn"])["cnn"]
    details = metrics.metrics_by_model_and_split(scores, ["cnn"], estimates)["cnn"]
    men, women = details["test_m"], details["test_w"]
    assert (entry["students_m"], entry["students_w"]) == (12, 9)
    assert entry["balanced"] == pytest.approx(men["balanced"] - women["balanced"], abs=2e-4)
    below = np.hypot(men["balanced"] - men["low"], women["high"] - women["balanced"])
    assert entry["balanced"] - entry["low"] == pytest.approx(below, abs=5e-4)


@pytest.mark.parametrize(("men", "women", "named"), [(0, 5, "test_m"), (5, 0, "test_w"), (0, 0, "test_m and test_w")])
def test_empty_split_is_left_out_and_reported(men: int, women: int, named: str) -> None:
    scores = all_scores({"cnn": 0.8}, men=men, women=women)
    estimates = metrics.estimates_by_split(scores, ["cnn"], 100, 1)
    assert comparison.men_minus_women_by_model(estimates, ["cnn"]) == {"left_out": f"no students in {named}"}
    text = plain_text(terminal_tables.evaluation_blocks(comparison.compare_models(scores, ["cnn"], 100, 1)))
    assert f"not compared: no students in {named}" in text


def test_tables_show_every_model_split_and_difference() -> None:
    scores = all_scores({"histogram": 1.5, "cnn": 1.0, "siamese": 0.5})
    details = comparison.compare_models(scores, MODELS, 200, 1)
    text = plain_text(terminal_tables.evaluation_blocks(details))
    entry = details["models"]["cnn"]["test_m"]
    assert f"{entry['positive']:.1%} ({100 * entry['positive_low']:.1f} to {100 * entry['positive_high']:.1f})" in text
    starts = [line.split()[:2] for line in text.splitlines()]
    for model, tables in (("cnn", 3), ("siamese", 3), ("histogram", 2)):
        for name in metrics.REPORTED_SPLITS:
            assert starts.count([model, name]) == tables
    assert starts.count(["minus", "histogram"]) == 1
    assert "best by validation accuracy: siamese\nsiamese is clearly better than histogram" in text


def test_metrics_of_an_older_version_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mark_as_project()
    details = comparison.compare_models(all_scores({"cnn": 0.8}), ["cnn"], 100, 1)
    json_files.write_json(paths.EVALUATION_DETAILS, details["models"])
    with pytest.raises(ShoepairError, match=r"invalid evaluation details(?s:.*)run `dvc repro`"):
        cli.metrics()


def test_metrics_are_printed_from_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    mark_as_project()
    details = comparison.compare_models(all_scores({"histogram": 1.5, "cnn": 1.0}), ["histogram", "cnn"], 100, 1)
    json_files.write_json(paths.EVALUATION_DETAILS, details)
    cli.metrics()
    assert capsys.readouterr().out == plain_text(terminal_tables.evaluation_blocks(details)) + "\n"


def test_same_scores_give_the_same_document() -> None:
    scores = all_scores({"histogram": 1.5, "cnn": 1.0})
    assert comparison.compare_models(scores, ["cnn", "histogram"], 100, 7) == comparison.compare_models(
        scores, ["cnn", "histogram"], 100, 7
    )
