"""Models against each other, men's against women's shoes, and the verdict in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.classes import scores_of

from shoepair.commands import main
from shoepair.data import documents
from shoepair.evaluation import comparison, metric_names, metrics
from shoepair.reports import terminal
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

MODELS = ["histogram", "cnn", "siamese"]
NUMBERS = ("balanced", "low", "high", "balanced_all", "low_all", "high_all", "auc", "auc_low", "auc_high")


def everything(noise: dict[str, float], *, men: int = 12, women: int = 10) -> pd.DataFrame:
    """Scores of some models, the better the less noise, on all sets."""
    parts = []
    for number, (model, width) in enumerate(noise.items()):
        sets = {"valid": (15, 0), "test_m": (men, 100), "test_w": (women, 200)}
        for split, (students, first) in sets.items():
            if students:
                seed = 10 * number + first
                parts.append(scores_of(students, seed, split=split, model=model, noise=width, first=first))
    return pd.concat(parts)


def test_every_two_models_are_compared_on_every_set() -> None:
    scores = everything({"histogram": 1.5, "cnn": 1.0, "siamese": 0.5})
    found = comparison.differences(scores, MODELS, 200, 1)
    assert [(each["model"], each["against"]) for each in found if each["set"] == "test"] == [
        ("cnn", "histogram"),
        ("siamese", "histogram"),
        ("siamese", "cnn"),
    ]
    assert [each["set"] for each in found[::3]] == ["valid", "test_m", "test_w", "test"]
    details = metrics.evaluate(scores, MODELS, 200, 1)
    for each in found:
        one, other = (details[each[side]][each["set"]] for side in ("model", "against"))
        assert each["students"] == one["students"]
        for figure in metric_names.COMPARED:
            assert each[figure] == pytest.approx(one[figure] - other[figure], abs=2e-4)
        assert each["low_all"] <= each["balanced_all"] <= each["high_all"]


def test_difference_of_two_tables_is_that_of_the_models() -> None:
    scores = everything({"histogram": 1.5, "cnn": 1.0})
    entry = next(each for each in comparison.differences(scores, MODELS, 300, 1) if each["set"] == "test")
    rows = metrics.of_set(scores, "test")
    before, after = (rows[rows["model"] == model] for model in ("histogram", "cnn"))
    got = comparison.difference(before, after, 300, 1)
    assert got == pytest.approx((22, entry["balanced"], entry["low"], entry["high"]), abs=1e-4)


def test_turned_difference_is_what_the_other_order_gives() -> None:
    scores = everything({"histogram": 1.5, "cnn": 1.0})
    ahead = comparison.differences(scores, ["histogram", "cnn"], 200, 1)
    behind = comparison.differences(scores, ["cnn", "histogram"], 200, 1)
    turned = metric_names.against(ahead, "histogram", "cnn")
    for got, wanted in zip(turned, behind, strict=True):
        assert {name: got[name] for name in got.keys() - set(NUMBERS)} == {
            name: wanted[name] for name in wanted.keys() - set(NUMBERS)
        }
        assert [got[name] for name in NUMBERS] == pytest.approx([wanted[name] for name in NUMBERS], abs=1.1e-4)
    assert metric_names.against(turned, "cnn", "histogram") == ahead


def verdict(noise: dict[str, float], **sizes: int) -> tuple[str, str]:
    scores = everything(noise, **sizes)
    got = comparison.assess(scores, list(noise), 200, 1)
    return got["verdict"]["short"], got["verdict"]["text"]


def test_verdict_names_what_the_interval_says() -> None:
    short, text = verdict({"histogram": 2.0, "cnn": 0.4})
    assert short == "clearly better than histogram"
    assert "cnn is clearly better than histogram: +" in text
    assert "over 22 test students" in text
    assert verdict({"histogram": 1.0, "cnn": 0.99})[0] == "not clearly better than histogram"
    assert verdict({"histogram": 0.4, "cnn": 2.0})[0] == "histogram is best"
    assert verdict({"cnn": 0.4})[0] == "no baseline trained"
    assert verdict({"histogram": 2.0, "cnn": 0.4}, men=4, women=3)[0] == "too few test students"
    assert verdict({"histogram": 2.0, "cnn": 0.4}, men=0, women=0)[0] == "no test students"


def test_best_on_valid_that_is_worse_on_tests_is_called_so() -> None:
    scores = everything({"histogram": 0.8, "cnn": 0.4})
    away = (scores["model"] == "cnn") & (scores["split"] != "valid")
    scores.loc[away, "logit"] = np.random.default_rng(1).normal(size=away.sum()).astype(np.float32)
    got = comparison.assess(scores, ["histogram", "cnn"], 200, 1)
    assert got["best"] == "cnn", "the tests had a say"
    assert got["verdict"]["short"] == "clearly worse than histogram"


def test_men_and_women_are_compared_as_different_students() -> None:
    scores = everything({"cnn": 0.8}, men=12, women=9)
    got = comparison.kinds(scores, ["cnn"], 300, 1)["cnn"]
    details = metrics.evaluate(scores, ["cnn"], 300, 1)["cnn"]
    men, women = details["test_m"], details["test_w"]
    assert (got["students_m"], got["students_w"]) == (12, 9)
    assert got["balanced"] == pytest.approx(men["balanced"] - women["balanced"], abs=2e-4)
    below = np.hypot(men["balanced"] - men["low"], women["high"] - women["balanced"])
    assert got["balanced"] - got["low"] == pytest.approx(below, abs=5e-4)


@pytest.mark.parametrize(("men", "women", "named"), [(0, 5, "test_m"), (5, 0, "test_w"), (0, 0, "test_m and test_w")])
def test_empty_set_is_left_out_and_said_so(men: int, women: int, named: str) -> None:
    scores = everything({"cnn": 0.8}, men=men, women=women)
    assert comparison.kinds(scores, ["cnn"], 100, 1) == {"left_out": f"no students in {named}"}
    got = comparison.assess(scores, ["cnn"], 100, 1)
    assert f"not compared: no students in {named}" in terminal.text(got)


def test_tables_show_every_model_set_and_difference() -> None:
    scores = everything({"histogram": 1.5, "cnn": 1.0, "siamese": 0.5})
    got = comparison.assess(scores, MODELS, 200, 1)
    text = terminal.text(got)
    entry = got["models"]["cnn"]["test_m"]
    assert f"{entry['positive']:.1%} ({100 * entry['positive_low']:.1f} to {100 * entry['positive_high']:.1f})" in text
    starts = [line.split()[:2] for line in text.splitlines()]
    for model, tables in (("cnn", 3), ("siamese", 3), ("histogram", 2)):
        for name in metrics.SETS:
            assert starts.count([model, name]) == tables
    assert starts.count(["minus", "histogram"]) == 1
    assert "best by validation accuracy: siamese\nsiamese is clearly better than histogram" in text


def test_metrics_of_an_older_version_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    documents.write_json(paths.EVALUATION_DETAILS, metrics.evaluate(everything({"cnn": 0.8}), ["cnn"], 100, 1))
    with pytest.raises(ShoepairError, match=r"older version of this project\nrun `dvc repro`"):
        main.metrics()


def test_metrics_are_told_from_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    got = comparison.assess(everything({"histogram": 1.5, "cnn": 1.0}), ["histogram", "cnn"], 100, 1)
    documents.write_json(paths.EVALUATION_DETAILS, got)
    main.metrics()
    assert capsys.readouterr().out == terminal.text(got) + "\n"


def test_same_scores_give_the_same_document() -> None:
    scores = everything({"histogram": 1.5, "cnn": 1.0})
    assert comparison.assess(scores, ["cnn", "histogram"], 100, 7) == comparison.assess(
        scores, ["cnn", "histogram"], 100, 7
    )
