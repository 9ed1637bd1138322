"""The decision rule: which answer is given for a probability of "same", and whether it is sure.

Two pairs of thresholds. Beyond the outer ones an answer is *sure*, beyond the inner ones it is *probable*, and between
them it is "not sure".

An answer is **sure** where at most 5 % of such answers are wrong with 95 % confidence over students
(sure_answers.py). It takes 59 students without an error to show that; with fewer, nothing is sure, and nothing is of a
model that learnt from drawn students only. The scores are
those of the cross-validation of the model, if `crossval.models` names it: of all students of train and valid, each
scored by a model that was not trained on them. Otherwise they are those of valid, which also selected the model and
its epoch, so that they are a little better than those of new students.

An answer is **probable** from 75 % on, or from a higher threshold: on valid at most 5 % of the answers are wrong.
Valid is small and the thresholds are fitted to it, so one extra error is counted: the next pair may be wrong
(Angelopoulos et al.: "Conformal risk control", ICLR 2024). "Same" and "different" must each keep the 5 %; same and
different pairs weigh the same, as in calibration.py. With fewer than 18 same pairs in valid (6 students) nothing can
be called different, with fewer than 18 different pairs (3 students) nothing same: they are too few to estimate 5 %.
How often a probable answer is wrong is measured on the test students, and said with every answer.

Later photos may differ from those of the class: the rates on the test splits are written beside the thresholds.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from shoepair.data.schemas import make_student_keys
from shoepair.evaluation import calibration, sure_answers
from shoepair.evaluation.metrics import BOTH_TESTS, DIGITS, REPORTED_SPLITS, labels_and_logits, select_split_rows
from shoepair.evaluation.sure_answers import StudentErrors
from shoepair.runtime import json_files, paths
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.params import StrictModel

FORMAT = 2
MAX_ERROR_RATE = 0.05  # of the answers
LEAST_PROBABLE = 0.75  # probability of a "same" that is called probable; of a "different" it is 25 %
THRESHOLD_DECIMALS = 6  # probabilities are dense near 0 and 1

Verdict = Literal["same", "different", "not sure"]
ProbabilitiesByLabel = tuple[NDArray[np.float64], NDArray[np.float64]]  # of same pairs, of different pairs


class AnswerRates(StrictModel):
    """Answers to the nine pairs of each student of one split; in shares, labels weigh the same."""

    answered: float = Field(ge=0, le=1)  # share of the pairs with an answer, sure or probable
    wrong: float | None = Field(ge=0, le=1)  # share of the answers; None where there are none
    sure: float = Field(ge=0, le=1)  # share of the pairs with a sure answer
    sure_wrong: float | None = Field(ge=0, le=1)  # share of the sure answers
    same: StudentErrors  # students with an answer "same", sure or probable
    different: StudentErrors  # the same for "different"


class Learning(StrictModel):
    """What a model was trained on, and how right it is."""

    photographed: int = Field(ge=0)  # students of train with photos
    drawn: int = Field(ge=0)  # students of train of synthetic classes
    tested: int = Field(ge=0)  # students of both tests
    right: float | None = Field(ge=0, le=1)  # share of their pairs, same and different weigh the same
    low: float | None = Field(ge=0, le=1)
    high: float | None = Field(ge=0, le=1)

    @property
    def from_drawings(self) -> bool:
        """Whether no photo was learnt from."""
        return not self.photographed


class DecisionRule(StrictModel):
    """The decision rule in `data/decision.json`: the model, its temperature and its thresholds."""

    format: Literal[2]  # FORMAT
    model: str
    temperature: float = Field(ge=1e-6, le=1e6)  # wider than what is fitted; a quotient of logits stays finite
    same_above: float = Field(ge=0.5, le=1)  # probably, or surely; 1: nothing is called same
    different_below: float = Field(ge=0, le=0.5)  # 0: nothing is called different
    sure_same_above: float = Field(ge=0.5, le=1)  # 1: no "same" is sure
    sure_different_below: float = Field(ge=0, le=0.5)  # 0: no "different" is sure
    scores: Literal["valid", "out-of-fold"]  # what the thresholds of sure answers are fitted to
    students: int = Field(ge=0)  # of these scores
    missing_students: int = Field(ge=0)  # that a sure answer would take, without an error, beside these
    learning: Learning
    says: str  # the thresholds in words
    sets: dict[str, AnswerRates]

    def calibrated_probability(self, logit: float) -> float:
        """Return the calibrated probability that two shoes are a pair, from the logit, same minus different."""
        return float(calibration.calibrated_probabilities(np.array([logit]), self.temperature)[0])

    def verdict_for(self, probability: float) -> Verdict:
        """Return "same", "different" or "not sure" for a calibrated probability of "same"."""
        if probability > self.same_above:
            return "same"
        return "different" if probability < self.different_below else "not sure"

    def is_sure(self, probability: float) -> bool:
        """Whether the answer for a calibrated probability of "same" is sure."""
        return probability > self.sure_same_above or probability < self.sure_different_below

    def measured_errors(self, verdict: Verdict) -> StudentErrors | None:
        """Return how many students with such an answer had a wrong one: of both tests, or without them of valid."""
        rates = self.sets.get(BOTH_TESTS, self.sets.get("valid"))
        if rates is None or verdict == "not sure":
            return None
        return rates.same if verdict == "same" else rates.different


def fit_decision_rule(
    scores: pd.DataFrame, model: str, temperature: float, learning: Learning, held_out: pd.DataFrame | None = None
) -> DecisionRule:
    """Fit the thresholds of a model; returns the decision rule with its error rates on all splits.

    Args:
        scores: `Scores` rows of valid and the tests.
        model: the best model.
        temperature: that of its probabilities.
        learning: what it was trained on.
        held_out: `FoldScores` rows of its cross-validation, if there are any.
    """
    model_rows = scores[scores["model"] == model]
    rows_by_split = {split: rows for split in REPORTED_SPLITS if len(rows := select_split_rows(model_rows, split)) > 0}
    same, different = _probabilities_by_label(rows_by_split["valid"], temperature)
    above = lowest_safe_threshold(same, different)
    below = lowest_safe_threshold(1 - different, 1 - same)
    fitted = rows_by_split["valid"] if held_out is None else held_out
    # A model of drawings is sure of nothing: drawings say little about photos.
    sure_above, sure_below = (1.0, 0.0) if learning.from_drawings else _fit_sure_thresholds(fitted, temperature)
    students = int(make_student_keys(fitted).nunique())
    same_above = 1.0 if above is None else max(above, LEAST_PROBABLE)
    different_below = 0.0 if below is None else round(1 - max(below, LEAST_PROBABLE), THRESHOLD_DECIMALS)
    rule = DecisionRule(
        format=2,
        model=model,
        temperature=temperature,
        same_above=min(same_above, sure_above),
        different_below=max(different_below, sure_below),
        sure_same_above=sure_above,
        sure_different_below=sure_below,
        scores="valid" if held_out is None else "out-of-fold",
        students=students,
        missing_students=max(0, sure_answers.LEAST_STUDENTS - students),
        learning=learning,
        says="",
        sets={},
    )
    says = f"{_describe_sureness(rule)}; {_describe_limits(above is not None, below is not None)}"
    sets = {split: _measure_answers(rows, rule) for split, rows in rows_by_split.items()}
    return rule.model_copy(update={"says": says, "sets": sets})


def describe_learning(pair_rows: pd.DataFrame, synthetic_batches: set[str], details: dict[str, Any]) -> Learning:
    """Return what the models were trained on, and how right the best one is on both tests.

    Args:
        pair_rows: `Pairs` rows of all splits.
        synthetic_batches: the batches that are drawn.
        details: what `comparison.compare_models` returned.
    """
    trained = pair_rows[pair_rows["split"] == "train"]
    is_drawn = trained["batch"].isin(synthetic_batches)
    test = details["models"][details["best"]].get(BOTH_TESTS, {})
    return Learning(
        photographed=int(make_student_keys(trained[~is_drawn]).nunique()),
        drawn=int(make_student_keys(trained[is_drawn]).nunique()),
        tested=int(test.get("students", 0)),
        right=test.get("balanced"),
        low=test.get("low"),
        high=test.get("high"),
    )


def _fit_sure_thresholds(rows: pd.DataFrame, temperature: float) -> tuple[float, float]:
    """Fit the thresholds of sure answers to the scores of students; 1 and 0 where no answer is sure."""
    same, logits = labels_and_logits(rows)
    probabilities = calibration.calibrated_probabilities(logits, temperature)
    students = make_student_keys(rows).to_numpy()
    above = sure_answers.lowest_sure_threshold(students, same, probabilities)
    below = sure_answers.lowest_sure_threshold(students, ~same, 1 - probabilities)
    return 1.0 if above is None else above, 0.0 if below is None else round(1 - below, THRESHOLD_DECIMALS)


def lowest_safe_threshold(
    correct_probabilities: NDArray[np.float64], wrong_probabilities: NDArray[np.float64]
) -> float | None:
    """Return the lowest threshold above which at most 5 % of the answers are wrong, counting one extra error.

    Args:
        correct_probabilities: (P,) probabilities of pairs for which the answer is right.
        wrong_probabilities: (Q,) probabilities of pairs for which it is wrong.

    Returns:
        0.5 or more, six decimals; answers are given above it, not at it. None where no threshold is high enough.
    """
    probabilities, scale = np.concatenate([correct_probabilities, wrong_probabilities]), 10**THRESHOLD_DECIMALS
    candidates = np.unique(np.append(np.ceil(probabilities[probabilities > 0.5] * scale) / scale, 0.5))
    correct = _count_above(correct_probabilities, candidates) / max(len(correct_probabilities), 1)
    wrong = (_count_above(wrong_probabilities, candidates) + 1) / (len(wrong_probabilities) + 1)
    safe = candidates[(wrong <= MAX_ERROR_RATE * (wrong + correct) + 1e-12) & (correct > 0)]
    return float(round(safe[0], THRESHOLD_DECIMALS)) if len(safe) else None


def _count_above(values: NDArray[np.float64], limits: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.asarray(len(values) - np.searchsorted(np.sort(values), limits, side="right"), np.int64)


def _probabilities_by_label(rows: pd.DataFrame, temperature: float) -> ProbabilitiesByLabel:
    same, logits = labels_and_logits(rows)
    probabilities = calibration.calibrated_probabilities(logits, temperature)
    return probabilities[same], probabilities[~same]


def _measure_answers(rows: pd.DataFrame, rule: DecisionRule) -> AnswerRates:
    """Measure the answers to the pairs of one split."""
    same, logits = labels_and_logits(rows)
    probabilities = calibration.calibrated_probabilities(logits, rule.temperature)
    students = make_student_keys(rows).to_numpy()
    says_same, says_different = probabilities > rule.same_above, probabilities < rule.different_below
    sure = (probabilities > rule.sure_same_above) | (probabilities < rule.sure_different_below)
    is_wrong = (says_same & ~same) | (says_different & same)
    weights = calibration.class_balanced_weights(same)
    answered, wrong = _shares(weights, says_same | says_different, is_wrong)
    sure_share, sure_wrong = _shares(weights, sure, is_wrong)
    return AnswerRates(
        answered=answered,
        wrong=wrong,
        sure=sure_share,
        sure_wrong=sure_wrong,
        same=sure_answers.count_student_errors(students[says_same], ~same[says_same]),
        different=sure_answers.count_student_errors(students[says_different], same[says_different]),
    )


def _shares(
    weights: NDArray[np.float64], given: NDArray[np.bool_], is_wrong: NDArray[np.bool_]
) -> tuple[float, float | None]:
    """Return the share of pairs with an answer, and of the answers that are wrong; None where there are none."""
    total = float(weights[given].sum())
    return round(total, DIGITS), round(float(weights[given & is_wrong].sum()) / total, DIGITS) if total else None


def _describe_sureness(rule: DecisionRule) -> str:
    students = f"{rule.students} students of {'valid' if rule.scores == 'valid' else 'train and valid, out of fold'}"
    if rule.learning.from_drawings:
        return "no answer is sure: the model learnt from drawings, not from photos"
    if rule.missing_students:
        return (
            f"no answer is sure: the thresholds have {students}, {rule.missing_students} fewer than the "
            f"{sure_answers.LEAST_STUDENTS} that can show that at most {MAX_ERROR_RATE:.0%} are wrong"
        )
    kinds = [
        name
        for name, sure in (("same", rule.sure_same_above < 1), ("different", rule.sure_different_below > 0))
        if sure
    ]
    limit = f"at most {MAX_ERROR_RATE:.0%} of them are wrong, with 95% confidence over {students}"
    if not kinds:
        return f"no answer is sure: with no threshold {limit}"
    return f"sure answers are {' and '.join(kinds)}: {limit}"


def _describe_limits(answers_same: bool, answers_different: bool) -> str:
    limit = f"of the probable answers at most {MAX_ERROR_RATE:.0%} are wrong on valid"
    if answers_same and answers_different:
        return limit
    if not answers_same and not answers_different:
        return f"nothing is probable: valid has too few pairs, or the model too many errors, for {MAX_ERROR_RATE:.0%}"
    return f"only {'same' if answers_same else 'different'} is ever probable; {limit}"


def write_decision_rule(rule: DecisionRule) -> None:
    """Write the decision rule to `data/decision.json`."""
    json_files.write_json(paths.THRESHOLDS, rule.model_dump())


def read_decision_rule() -> DecisionRule:
    """Read the decision rule from `data/decision.json`.

    Raises:
        ShoepairError: the file is missing, has another format or is no decision rule.
    """
    fix = "delete it and run `dvc repro`, which fits the thresholds"
    document = json_files.read_json(paths.THRESHOLDS, fix)
    if document.get("format") != FORMAT:
        message = f"{paths.THRESHOLDS}: format {document.get('format', 'nothing')}, expected {FORMAT}"
        raise ShoepairError(message, fix=fix)
    return DecisionRule.model_validate(json_files.check_schema(document, str(paths.THRESHOLDS), fix, DecisionRule))
