"""The thresholds of "not sure": at most 5 % of the answers wrong on valid, whatever the model; and the file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.classes import scores_of

from shoepair.data import documents
from shoepair.evaluation import metrics, thresholds
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

chances = st.lists(st.floats(0, 1, width=32), min_size=1, max_size=60).map(np.array)
likely = st.lists(st.floats(0.375, 1, width=32), min_size=20, max_size=60).map(np.array)


def everything(noise: float, valid: int = 40) -> pd.DataFrame:
    sets = {"valid": (valid, 0), "test_m": (30, 100), "test_w": (30, 200)}
    return pd.concat(
        [scores_of(number, first, split=name, noise=noise, first=first) for name, (number, first) in sets.items()]
    )


def counted(scores: pd.DataFrame, made: thresholds.Decision, name: str) -> tuple[float, float]:
    """Share of answers, and of wrong ones among them, by asking pair after pair."""
    rows = metrics.of_set(scores, name)
    answered, wrong = [], []
    for same in (1, 0):
        said = [made.verdict(made.probability(float(logit))) for logit in rows.loc[rows["same"] == same, "logit"]]
        answered.append(np.mean([answer != "not sure" for answer in said]))
        wrong.append(np.mean([answer == ("different" if same else "same") for answer in said]))
    return float(np.mean(answered)), float(np.mean(wrong) / np.mean(answered))


@pytest.mark.parametrize("noise", [0.3, 0.6, 0.9])
def test_at_most_one_answer_in_twenty_is_wrong_on_valid(noise: float) -> None:
    scores = everything(noise)
    made = thresholds.decide(scores, "cnn", metrics.temperature(scores))
    for name, outcome in made.sets.items():
        assert (outcome.answered, outcome.wrong) == pytest.approx(counted(scores, made, name), abs=1e-4)
    assert list(made.sets) == ["valid", "test_m", "test_w"]
    assert made.sets["valid"].answered > 0.2
    wrong = made.sets["valid"].wrong
    assert wrong is not None
    assert wrong <= 0.05


@settings(deadline=None, max_examples=300)
@given(likely | chances, chances | likely.map(lambda values: 1 - values))
def test_threshold_keeps_the_limit_and_no_lower_one_does(right: np.ndarray, wrong: np.ndarray) -> None:
    found = thresholds.threshold(right, wrong)

    def kept(at: float) -> bool:
        hits, misses = (right > at).mean(), ((wrong > at).sum() + 1) / (len(wrong) + 1)
        return bool(hits > 0 and misses / (misses + hits) <= 0.05 + 1e-9)

    everywhere = [
        at for at in (0.5, *(np.ceil(each * 1e6) / 1e6 for each in [*right, *wrong])) if at >= 0.5 and kept(at)
    ]
    assert found == (pytest.approx(min(everywhere), abs=1e-9) if everywhere else None)


@pytest.mark.parametrize(("pairs", "possible"), [(17, False), (18, True)])
def test_too_few_pairs_cannot_tell_five_percent_from_nothing(pairs: int, possible: bool) -> None:
    assert (thresholds.threshold(np.ones(50), np.zeros(pairs)) is not None) == possible


@pytest.mark.parametrize("students", [1, 2])
def test_tiny_valid_answers_nothing_and_says_so(students: int) -> None:
    scores = everything(0.01, students)
    made = thresholds.decide(scores, "cnn", metrics.temperature(scores))
    assert (made.same_above, made.different_below) == (1, 0)
    assert made.sets["valid"] == thresholds.Outcome(answered=0, wrong=None)
    assert made.says.startswith("nothing is answered")
    assert {made.verdict(made.probability(logit)) for logit in (-1e6, 0.0, 1e6)} == {"not sure"}


def test_small_valid_may_answer_one_way_only() -> None:
    scores = everything(0.01, 4)  # 12 same pairs, 24 different ones
    made = thresholds.decide(scores, "cnn", metrics.temperature(scores))
    assert made.same_above < 1
    assert made.different_below == 0
    assert made.says.startswith("only same is ever answered")


def test_model_that_knows_nothing_answers_nothing() -> None:
    scores = everything(0.5).assign(logit=np.float32(0))
    made = thresholds.decide(scores, "cnn", metrics.temperature(scores))
    assert (made.same_above, made.different_below, made.sets["test_m"].answered) == (1, 0, 0)


def test_other_models_and_test_students_have_no_say() -> None:
    scores = everything(0.6)
    made = thresholds.decide(scores, "cnn", 1.0)
    changed = scores.assign(logit=np.where(scores["split"] == "valid", scores["logit"], 0).astype(np.float32))
    other = thresholds.decide(pd.concat([changed, scores.assign(model="siamese", logit=np.float32(3))]), "cnn", 1.0)
    assert (other.same_above, other.different_below) == (made.same_above, made.different_below)


def test_file_comes_back_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for noise, valid in ((0.6, 40), (0.01, 1)):
        made = thresholds.decide(everything(noise, valid), "cnn", 1.25)
        thresholds.write(made)
        first = paths.DECISION.read_bytes()
        assert thresholds.read() == made
        thresholds.write(thresholds.read())
        assert paths.DECISION.read_bytes() == first
    assert list(json.loads(first)) == [
        *("format", "model", "temperature", "same_above", "different_below", "says", "sets")
    ]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": 2}, r"format 2, expected 1\n.*delete it and run `dvc repro`"),
        ({"same_above": 0.2}, r"not a decision\n  same_above: .*greater than or equal to 0.5"),
        ({"temperature": "warm"}, r"not a decision\n  temperature: "),
        ({"more": 1}, r"not a decision\n  more: "),
    ],
)
def test_file_that_is_no_decision_is_refused(
    change: dict[str, object], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ShoepairError, match=r"data/decision.json: missing\nrun `dvc repro`"):
        thresholds.read()
    thresholds.write(thresholds.decide(everything(0.6), "cnn", 1.25))
    document = json.loads(paths.DECISION.read_text())
    documents.write_json(paths.DECISION, document | change)
    with pytest.raises(ShoepairError, match=told):
        thresholds.read()
