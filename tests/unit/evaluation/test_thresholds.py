"""Decision rule: few of the answers are wrong on valid, few students get a wrong sure one; and its file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.classes import scores_of

from shoepair.evaluation import metrics, sure_answers, thresholds
from shoepair.runtime import json_files, paths
from shoepair.runtime.errors import ShoepairError

LEARNT = thresholds.Learning(photographed=60, drawn=0, tested=30, right=0.9, low=0.8, high=0.95)
any_probabilities = st.lists(st.floats(0, 1, width=32), min_size=1, max_size=60).map(np.array)
high_probabilities = st.lists(st.floats(0.375, 1, width=32), min_size=20, max_size=60).map(np.array)


def all_scores(noise: float, valid: int = 40) -> pd.DataFrame:
    sizes = {"valid": (valid, 0), "test_m": (30, 100), "test_w": (30, 200)}
    return pd.concat(
        [scores_of(count, first, split=split, noise=noise, first=first) for split, (count, first) in sizes.items()]
    )


def count_rates(scores: pd.DataFrame, rule: thresholds.DecisionRule, split: str) -> tuple[float, float]:
    """Count the share of pairs answered and of answers wrong, pair by pair."""
    rows = metrics.select_split_rows(scores, split)
    answered, wrong = [], []
    for same in (1, 0):
        logits = rows.loc[rows["same"] == same, "logit"]
        verdicts = [rule.verdict_for(rule.calibrated_probability(float(logit))) for logit in logits]
        answered.append(np.mean([verdict != "not sure" for verdict in verdicts]))
        wrong.append(np.mean([verdict == ("different" if same else "same") for verdict in verdicts]))
    return float(np.mean(answered)), float(np.mean(wrong) / np.mean(answered))


@pytest.mark.parametrize("noise", [0.3, 0.6, 0.9])
def test_at_most_one_answer_in_twenty_is_wrong_on_valid(noise: float) -> None:
    scores = all_scores(noise)
    rule = thresholds.fit_decision_rule(scores, "cnn", metrics.fit_temperature_on_valid(scores), LEARNT)
    for split, rates in rule.sets.items():
        assert (rates.answered, rates.wrong) == pytest.approx(count_rates(scores, rule, split), abs=1e-4)
    assert list(rule.sets) == ["valid", "test_m", "test_w", "test"]
    assert rule.sets["valid"].answered > 0.1
    wrong = rule.sets["valid"].wrong
    assert wrong is not None
    assert wrong <= 0.05


@settings(deadline=None, max_examples=300)
@given(high_probabilities | any_probabilities, any_probabilities | high_probabilities.map(lambda values: 1 - values))
def test_threshold_keeps_the_limit_and_no_lower_one_does(right: np.ndarray, wrong: np.ndarray) -> None:
    threshold = thresholds.lowest_safe_threshold(right, wrong)

    def is_safe(limit: float) -> bool:
        hits, misses = (right > limit).mean(), ((wrong > limit).sum() + 1) / (len(wrong) + 1)
        return bool(hits > 0 and misses / (misses + hits) <= 0.05 + 1e-9)

    candidates = (0.5, *(np.ceil(value * 1e6) / 1e6 for value in [*right, *wrong]))
    safe = [limit for limit in candidates if limit >= 0.5 and is_safe(limit)]
    assert threshold == (pytest.approx(min(safe), abs=1e-9) if safe else None)


@pytest.mark.parametrize(("pairs", "possible"), [(17, False), (18, True)])
def test_too_few_pairs_have_no_safe_threshold(pairs: int, possible: bool) -> None:
    assert (thresholds.lowest_safe_threshold(np.ones(50), np.zeros(pairs)) is not None) == possible


@pytest.mark.parametrize("students", [1, 2])
def test_tiny_valid_answers_nothing_and_reports_it(students: int) -> None:
    scores = all_scores(0.01, students)
    rule = thresholds.fit_decision_rule(scores, "cnn", metrics.fit_temperature_on_valid(scores), LEARNT)
    assert (rule.same_above, rule.different_below) == (1, 0)
    rates = rule.sets["valid"]
    assert (rates.answered, rates.wrong, rates.sure, rates.sure_wrong) == (0, None, 0, None)
    assert rule.measured_errors("same") == sure_answers.StudentErrors(students=0, wrong=0, low=0, high=1)
    assert rule.missing_students == 59 - students
    assert f"no answer is sure: the thresholds have {students} students of valid, {59 - students} fewer" in rule.says
    assert "nothing is probable" in rule.says
    assert {rule.verdict_for(rule.calibrated_probability(logit)) for logit in (-1e6, 0.0, 1e6)} == {"not sure"}


def test_small_valid_may_answer_one_way_only() -> None:
    scores = all_scores(0.01, 4)  # 12 same pairs, 24 different ones
    rule = thresholds.fit_decision_rule(scores, "cnn", metrics.fit_temperature_on_valid(scores), LEARNT)
    assert rule.same_above < 1
    assert rule.different_below == 0
    assert "only same is ever probable" in rule.says


def test_model_that_knows_nothing_answers_nothing() -> None:
    scores = all_scores(0.5).assign(logit=np.float32(0))
    rule = thresholds.fit_decision_rule(scores, "cnn", metrics.fit_temperature_on_valid(scores), LEARNT)
    assert (rule.same_above, rule.different_below, rule.sets["test_m"].answered) == (1, 0, 0)


def test_half_a_chance_is_never_answered() -> None:
    scores = all_scores(0.01)
    rule = thresholds.fit_decision_rule(scores, "cnn", 1.0, LEARNT)
    assert {rule.verdict_for(probability) for probability in (0.26, 0.4, 0.5, 0.6, 0.74)} == {"not sure"}
    assert (rule.same_above, rule.different_below) == (0.75, 0.25)


@pytest.mark.parametrize(("students", "sure"), [(58, False), (59, True), (80, True)])
def test_sure_takes_59_students_without_an_error(students: int, sure: bool) -> None:
    rule = thresholds.fit_decision_rule(all_scores(0.01, students), "cnn", 0.05, LEARNT)
    assert (rule.sure_same_above < 1, rule.sure_different_below > 0) == (sure, sure)
    assert rule.missing_students == max(0, 59 - students)
    assert (rule.sets["test"].sure > 0.99) == sure
    assert rule.sets["test"].answered > 0.99, "it answers, but only probably"
    assert rule.is_sure(0.999999) == sure


def test_scores_of_the_cross_validation_are_used_where_there_are_any() -> None:
    scores = all_scores(0.01, 20)
    held_out = scores_of(70, 300, split="train", noise=0.01, first=300).assign(repeat=0, fold=0)
    without = thresholds.fit_decision_rule(scores, "cnn", 1.0, LEARNT)
    rule = thresholds.fit_decision_rule(scores, "cnn", 1.0, LEARNT, held_out)
    assert (without.scores, without.students, without.missing_students) == ("valid", 20, 39)
    assert (rule.scores, rule.students, rule.missing_students) == ("out-of-fold", 70, 0)
    assert rule.sure_same_above < 1
    assert (rule.same_above, rule.different_below) <= (0.75, 0.5)
    assert rule.sets == thresholds.fit_decision_rule(scores, "cnn", 1.0, LEARNT, held_out).sets


def test_model_of_drawings_is_never_sure() -> None:
    drawn = LEARNT.model_copy(update={"photographed": 0, "drawn": 200})
    rule = thresholds.fit_decision_rule(all_scores(0.01, 80), "cnn", 0.05, drawn)
    assert (rule.sure_same_above, rule.sure_different_below) == (1, 0)
    assert rule.same_above < 1
    assert rule.says.startswith("no answer is sure: the model learnt from drawings")


def test_model_that_is_often_wrong_is_never_sure() -> None:
    rule = thresholds.fit_decision_rule(all_scores(1.5, 80), "cnn", 1.0, LEARNT)
    assert (rule.sure_same_above, rule.sure_different_below) == (1, 0)
    assert "no answer is sure: with no threshold at most 5% of them are wrong" in rule.says


def test_drawn_students_are_told_from_photographed_ones() -> None:
    rows = pd.concat(
        [scores_of(4, 0, split="train").assign(batch="drawn"), scores_of(3, 50, split="train", first=50)]
    ).reset_index(drop=True)
    details = {"best": "cnn", "models": {"cnn": {"test": {"students": 7, "balanced": 0.9, "low": 0.8, "high": 1.0}}}}
    learning = thresholds.describe_learning(rows, {"drawn"}, details)
    assert (learning.drawn, learning.photographed, learning.from_drawings) == (4, 3, False)
    assert (learning.tested, learning.right, learning.low, learning.high) == (7, 0.9, 0.8, 1.0)
    only_drawn = thresholds.describe_learning(rows[rows["batch"] == "drawn"], {"drawn"}, details)
    assert only_drawn.from_drawings


def test_other_models_and_test_students_change_no_threshold() -> None:
    scores = all_scores(0.6)
    rule = thresholds.fit_decision_rule(scores, "cnn", 1.0, LEARNT)
    changed = scores.assign(logit=np.where(scores["split"] == "valid", scores["logit"], 0).astype(np.float32))
    other = thresholds.fit_decision_rule(
        pd.concat([changed, scores.assign(model="siamese", logit=np.float32(3))]), "cnn", 1.0, LEARNT
    )
    assert (other.same_above, other.different_below) == (rule.same_above, rule.different_below)


def test_file_is_read_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for noise, valid in ((0.6, 40), (0.01, 1)):
        rule = thresholds.fit_decision_rule(all_scores(noise, valid), "cnn", 1.25, LEARNT)
        thresholds.write_decision_rule(rule)
        first = paths.THRESHOLDS.read_bytes()
        assert thresholds.read_decision_rule() == rule
        thresholds.write_decision_rule(thresholds.read_decision_rule())
        assert paths.THRESHOLDS.read_bytes() == first
    assert list(json.loads(first)) == [
        *("format", "model", "temperature", "same_above", "different_below"),
        *("sure_same_above", "sure_different_below", "scores", "students", "missing_students", "learning"),
        *("says", "sets"),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 1}, r"format 1, expected 2\n.*delete it and run `dvc repro`"),
        ({"same_above": 0.2}, r"invalid decision rule\n  same_above: .*greater than or equal to 0.5"),
        ({"temperature": "warm"}, r"invalid decision rule\n  temperature: "),
        ({"more": 1}, r"invalid decision rule\n  more: "),
    ],
)
def test_file_that_is_no_decision_rule_is_refused(
    change: dict[str, object], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ShoepairError, match=r"data/decision.json: missing\nrun `dvc repro`"):
        thresholds.read_decision_rule()
    thresholds.write_decision_rule(thresholds.fit_decision_rule(all_scores(0.6), "cnn", 1.25, LEARNT))
    document = json.loads(paths.THRESHOLDS.read_text())
    json_files.write_json(paths.THRESHOLDS, document | change)
    with pytest.raises(ShoepairError, match=message):
        thresholds.read_decision_rule()
