"""The tables of the report page and the cards, cell by cell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from support.pages import made

from shoepair.evaluation.sure_answers import StudentErrors
from shoepair.evaluation.thresholds import AnswerRates
from shoepair.reports import report_tables
from shoepair.reports.report_tables import Table
from shoepair.reports.results import Results


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    """A class without women among the test students."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("results"))
        yield made({"train": 4, "valid": 5, "test_m": 3}, models=["cnn", "siamese"])


def validation_report(batch: str, **changes: Any) -> dict[str, Any]:
    """Return the validation report of a batch of 1,000 students."""
    counts = {"files": 6007, "accepted": 6000, "quarantined": 5, "ignored": 2, "students": 1000}
    return {"batch": batch, **counts, "quarantined_students": 1, "changed": {}, "flags": {}, "reasons": {}} | changes


def two_batches(results: Results, **changes: Any) -> Results:
    """Return results of two batches, with changes to the report of the first one."""
    reports = {"a": validation_report("a", **changes), "b": validation_report("b")}
    return replace(results, batches=["a", "b"], synthetic_batches=["b"], validation_reports=reports)


def test_counts_of_the_batches_add_up_to_the_last_row(results: Results) -> None:
    assert report_tables.build_batch_counts_table(two_batches(results)).rows == [
        ["a", "photographed", "6,007", "6,000", "5", "2", "1,000", "1"],
        ["b", "synthetic", "6,007", "6,000", "5", "2", "1,000", "1"],
        ["all", "", "12,014", "12,000", "10", "4", "2,000", "2"],
    ]


def test_students_of_every_batch_are_counted_by_split_also_where_there_are_none(results: Results) -> None:
    split = results.split_table.assign(batch=["a"] * 5 + ["b"] * 7)
    assert report_tables.build_students_by_split_table(
        replace(results, batches=["a", "b"], split_table=split)
    ).rows == [
        ["a", "4", "1", "0", "0", "5"],
        ["b", "0", "4", "3", "0", "7"],
    ]


def test_splits_and_sentences_give_the_same_sums(results: Results) -> None:
    rows = {row[0]: row[1:] for row in report_tables.build_split_counts_table(results).rows}
    assert rows["validation (valid)"] == ["5", "30", "15", "15", "0", "5", "0"]
    assert rows["women's shoes (test_w)"] == ["0"] * 7
    assert rows["all"] == ["12", "72", "36", "36", "0", "12", "0"]
    assert report_tables.list_count_sum_sentences(results) == [
        "72 files = 72 accepted + 0 quarantined + 0 ignored.",
        "72 accepted photos = 12 students × 6.",
        "12 students = 4 train + 5 valid + 3 test_m + 0 test_w.",
    ]


def test_long_quarantine_list_is_cut_and_says_so(results: Results) -> None:
    reasons = {f"u{number}": [f"u{number}: 5 photos", "twice"] for number in range(report_tables.MAX_ROWS + 2)}
    table = report_tables.build_quarantine_table(two_batches(results, reasons=reasons))
    assert table.caption == "Quarantined students and files, with the reasons: the first 40 of 42"
    assert len(table.rows) == 40
    assert table.rows[1] == ["a", "u1", "u1: 5 photos; twice"]
    del reasons["u0"], reasons["u1"]
    table = report_tables.build_quarantine_table(two_batches(results, reasons=reasons))
    assert table.caption == "Quarantined students and files, with the reasons"


def test_flags_and_changes_are_counted_over_all_batches(results: Results) -> None:
    changed = two_batches(results, flags={"low_contrast": ["p", "q", "r"]}, changed={"turned upright": 1, "cut": 1})
    changed.validation_reports["b"] |= {
        "flags": {"low_contrast": ["s"], "dark": ["t"]},
        "changed": {"turned upright": 2},
    }
    assert report_tables.build_flag_counts_table(changed).rows == [
        ["low contrast", "4", "a/p, a/q, a/r and 1 more"],
        ["dark", "1", "b/t"],
    ]
    assert report_tables.changes_sentence(changed) == "3 photos: turned upright; 1 photo: cut"


def test_near_duplicates_are_listed_once(results: Results) -> None:
    photo = {"batch": ["b", "a"], "path": ["y", "x"]}
    other = {"other_batch": ["a", "b"], "other_path": ["x", "y"], "hash_distance": [7, 7]}
    table = report_tables.build_near_duplicates_table(replace(results, duplicates=pd.DataFrame(photo | other)))
    assert table.rows == [["a/x", "b/y", "7"]]


@pytest.mark.parametrize(
    ("leaks", "text"),
    [
        ([], "Too few students: no probe was trained, so leakage is unknown."),
        ([False], "No leakage was found: 1 probe without access to the match reached at most 50.0% balanced accuracy"),
        (
            [False, False],
            "No leakage was found: 2 probes without access to the match reached at most 51.0% balanced accuracy",
        ),
        ([False, True], "Leakage: the label follows from file, without the match. Do not trust any result."),
    ],
    ids=["none", "one", "two", "leak"],
)
def test_leakage_sentence(results: Results, leaks: list[bool], text: str) -> None:
    probes = {
        name: {"balanced": 0.5 + index / 100, "low": 0.4, "high": 0.6, "leaks": leak}
        for index, (name, leak) in enumerate(zip(["order", "file"], leaks, strict=False))
    }
    probed = replace(results, probe_results=probes)
    assert report_tables.leakage_sentence(probed).removesuffix("; chance is 50%.") == text
    assert [row[-1] for row in report_tables.build_probe_table(probed).rows] == [
        "yes" if leak else "no" for leak in leaks
    ]


def test_best_model_is_the_reference_without_a_baseline_and_tests_come_before_validation(
    results: Results,
) -> None:
    table = report_tables.build_reference_differences_table(results)
    (other,) = set(results.models) - {results.best_model}
    assert table.caption == f"Every model minus {results.best_model}, on the same students"
    assert [row[:3] for row in table.rows] == [
        [other, "men's shoes", "3"],
        [other, "both tests", "3"],
        [other, "validation", "5"],
    ]
    assert report_tables.build_men_vs_women_table(results).rows == [], "test_w has no students"
    assert [row[:3] for row in report_tables.build_accuracy_table(results).rows[:3]] == [
        [results.best_model, "men's shoes", "3"],
        [results.best_model, "both tests", "3"],
        [results.best_model, "validation", "5"],
    ]


def test_answer_rates_are_those_of_the_decision_rule_and_no_answers_differ_from_none_wrong(results: Results) -> None:
    few = StudentErrors(students=9, wrong=1, low=0.0028, high=0.4825)
    none = StudentErrors(students=0, wrong=0, low=0.0, high=1.0)
    sets = {
        "valid": AnswerRates(answered=0.75, wrong=0.04, sure=0.5, sure_wrong=0.0, same=few, different=few),
        "test": AnswerRates(answered=0.0, wrong=None, sure=0.0, sure_wrong=None, same=none, different=none),
    }
    changed = {"sets": sets, "model": "cnn", "same_above": 0.98765, "different_below": 0.0}
    changed |= {"sure_same_above": 1.0, "sure_different_below": 0.0, "missing_students": 51}
    decided = replace(results, decision_rule=results.decision_rule.model_copy(update=changed))
    assert report_tables.build_answer_rates_table(decided).rows == [
        ["validation", "25.0%", "25.0%", "50.0%", "4.0%", "0.0%", *2 * ["1 of 9 (0.3% to 48.2%)"]],
        ["both tests", "100.0%", "0.0%", "0.0%", *2 * ["no answers"], *2 * ["0 of 0 (0.0% to 100.0%)"]],
    ]
    assert report_tables.thresholds_sentence(decided) == (
        "cnn answers “same” above a probability of 98.77%, never “different”, and “not sure” otherwise."
    )
    sure = replace(decided, decision_rule=decided.decision_rule.model_copy(update={"sure_same_above": 0.99}))
    assert "It is sure above a probability of 99% and never for “different”." in report_tables.thresholds_sentence(
        sure
    )


def test_markdown_table_aligns_words_left_and_numbers_right() -> None:
    table = Table("key", "caption", ["batch", "source", "files"], [["a", "synthetic", "6"]], 2)
    assert table.markdown == "| batch | source | files |\n| :-- | :-- | --: |\n| a | synthetic | 6 |"


def test_training_table_shows_the_model_cards(results: Results) -> None:
    card = {"parameters": 1_234_567, "layers": {"edge": 112}, "epoch": {"epoch": 61}}
    config = {"epochs": 80, "lr": 0.004, "batch_size": 12}
    cards = results.model_cards | {"siamese": card | {"config": config}}
    assert report_tables.build_training_table(replace(results, model_cards=cards)).rows == [
        ["cnn", "from scratch", "1,234", "16", "3", "0.001", "32", "2"],
        ["siamese", "from scratch", "1,234,567", "112", "80", "0.004", "12", "61"],
    ]
