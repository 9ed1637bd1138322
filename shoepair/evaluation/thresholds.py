"""The decision rule: two thresholds on the calibrated probability of "same", "not sure" between them.

Thresholds are fitted on valid, for the best model, so that at most 5 % of the answers are wrong. Valid is small and
the thresholds are fitted to it, so one extra error is counted: the next pair may be wrong (Angelopoulos et al.:
"Conformal risk control", ICLR 2024). "Same" and "different" must each keep the 5 %; same and different pairs weigh the
same, as in calibration.py. With fewer than 18 same pairs in valid (6 students) nothing can be called different, with
fewer than 18 different pairs (3 students) nothing same: they are too few to estimate 5 %.

The pairs of a student are counted as if independent, which is not quite true, and later photos may differ from those
of the class: the rates on the test splits are written beside the thresholds.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from shoepair.evaluation import calibration
from shoepair.evaluation.metrics import DIGITS, EVALUATED_SPLITS, labels_and_logits, select_split_rows
from shoepair.runtime import json_files, paths
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.params import StrictModel

FORMAT = 1
MAX_ERROR_RATE = 0.05  # of the answers
THRESHOLD_DECIMALS = 6  # probabilities are dense near 0 and 1

Verdict = Literal["same", "different", "not sure"]
ProbabilitiesByLabel = tuple[NDArray[np.float64], NDArray[np.float64]]  # of same pairs, of different pairs


class AnswerRates(StrictModel):
    """Share of pairs answered and share of answers wrong on one split: all nine pairs, labels weighted equally."""

    answered: float = Field(ge=0, le=1)  # share of the pairs
    wrong: float | None = Field(ge=0, le=1)  # share of the answers; None where there are none


class DecisionRule(StrictModel):
    """The decision rule in `data/decision.json`: the model, its temperature and its two thresholds."""

    format: Literal[1]  # FORMAT
    model: str
    temperature: float = Field(ge=1e-6, le=1e6)  # wider than what is fitted; a quotient of logits stays finite
    same_above: float = Field(ge=0.5, le=1)  # 1: nothing is called same
    different_below: float = Field(ge=0, le=0.5)  # 0: nothing is called different
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


def fit_decision_rule(scores: pd.DataFrame, model: str, temperature: float) -> DecisionRule:
    """Fit both thresholds of a model on valid; returns the decision rule with its error rates on all splits."""
    model_rows = scores[scores["model"] == model]
    by_split = {
        split: _probabilities_by_label(rows, temperature)
        for split in EVALUATED_SPLITS
        if len(rows := select_split_rows(model_rows, split))
    }
    same, different = by_split["valid"]
    above = lowest_safe_threshold(same, different)
    below = lowest_safe_threshold(1 - different, 1 - same)
    same_above = 1.0 if above is None else above
    different_below = 0.0 if below is None else round(1 - below, THRESHOLD_DECIMALS)
    return DecisionRule(
        format=1,
        model=model,
        temperature=temperature,
        same_above=same_above,
        different_below=different_below,
        says=_describe_limits(above is not None, below is not None),
        sets={split: _answer_rates(labelled, same_above, different_below) for split, labelled in by_split.items()},
    )


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


def _answer_rates(probabilities: ProbabilitiesByLabel, same_above: float, different_below: float) -> AnswerRates:
    called_same = [float((values > same_above).mean()) for values in probabilities]
    called_different = [float((values < different_below).mean()) for values in probabilities]
    answered = (sum(called_same) + sum(called_different)) / 2
    wrong = (called_same[1] + called_different[0]) / 2
    share = round(wrong / answered, DIGITS) if answered else None
    return AnswerRates(answered=round(answered, DIGITS), wrong=share)


def _describe_limits(answers_same: bool, answers_different: bool) -> str:
    limit = f"on valid at most {MAX_ERROR_RATE:.0%} of the answers are wrong"
    if answers_same and answers_different:
        return limit
    if not answers_same and not answers_different:
        return f"nothing is answered: valid has too few pairs, or the model too many errors, for {MAX_ERROR_RATE:.0%}"
    return f"only {'same' if answers_same else 'different'} is ever answered, the other is never certain; {limit}"


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
