"""The tables of the page and of the cards, cell by cell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from support.pages import made

from shoepair.evaluation.thresholds import Outcome
from shoepair.reports import tables
from shoepair.reports.results import Facts
from shoepair.reports.tables import Table


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Facts]:
    """A class without women among the test students."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("facts"))
        yield made({"train": 4, "valid": 5, "test_m": 3}, models=["cnn", "siamese"])


def validation(batch: str, **told: Any) -> dict[str, Any]:
    """The report of a batch of 1,000 students."""
    counts = {"files": 6007, "accepted": 6000, "quarantined": 5, "ignored": 2, "students": 1000}
    return {"batch": batch, **counts, "quarantined_students": 1, "changed": {}, "flags": {}, "reasons": {}} | told


def two(found: Facts, **told: Any) -> Facts:
    """The facts with two batches, of which the first one tells more."""
    reports = {"a": validation("a", **told), "b": validation("b")}
    return replace(found, batches=["a", "b"], drawn=["b"], validation=reports)


def test_counts_of_the_batches_add_up_to_the_last_row(found: Facts) -> None:
    assert tables.batches(two(found)).rows == [
        ["a", "photographed", "6,007", "6,000", "5", "2", "1,000", "1"],
        ["b", "drawn", "6,007", "6,000", "5", "2", "1,000", "1"],
        ["all", "", "12,014", "12,000", "10", "4", "2,000", "2"],
    ]


def test_students_of_every_batch_are_counted_by_split_also_where_there_are_none(found: Facts) -> None:
    split = found.split.assign(batch=["a"] * 5 + ["b"] * 7)
    assert tables.places(replace(found, batches=["a", "b"], split=split)).rows == [
        ["a", "4", "1", "0", "0", "5"],
        ["b", "0", "4", "3", "0", "7"],
    ]


def test_splits_and_sentences_give_the_same_sums(found: Facts) -> None:
    rows = {row[0]: row[1:] for row in tables.splits(found).rows}
    assert rows["validation (valid)"] == ["5", "30", "15", "15", "0", "5", "0"]
    assert rows["women's shoes (test_w)"] == ["0"] * 7
    assert rows["all"] == ["12", "72", "36", "36", "0", "12", "0"]
    assert tables.sums(found) == [
        "72 files = 72 accepted + 0 set aside + 0 ignored.",
        "72 accepted photos = 12 students × 6.",
        "12 students = 4 train + 5 valid + 3 test_m + 0 test_w.",
    ]


def test_long_list_of_who_is_set_aside_is_cut_and_says_so(found: Facts) -> None:
    reasons = {f"u{number}": [f"u{number}: 5 photos", "twice"] for number in range(tables.MOST + 2)}
    table = tables.set_aside(two(found, reasons=reasons))
    assert table.caption == "Students and files set aside, with the reasons: the first 40 of 42"
    assert len(table.rows) == 40
    assert table.rows[1] == ["a", "u1", "u1: 5 photos; twice"]
    del reasons["u0"], reasons["u1"]
    assert tables.set_aside(two(found, reasons=reasons)).caption == "Students and files set aside, with the reasons"


def test_flags_and_changes_are_counted_over_all_batches(found: Facts) -> None:
    facts = two(found, flags={"low_contrast": ["p", "q", "r"]}, changed={"turned upright": 1, "cut": 1})
    facts.validation["b"] |= {"flags": {"low_contrast": ["s"], "dark": ["t"]}, "changed": {"turned upright": 2}}
    assert tables.flags(facts).rows == [
        ["low contrast", "4", "a/p, a/q, a/r and 1 more"],
        ["dark", "1", "b/t"],
    ]
    assert tables.changed(facts) == "3 photos: turned upright; 1 photo: cut"


def test_two_photos_that_nearly_equal_each_other_stand_once(found: Facts) -> None:
    here = {"batch": ["b", "a"], "path": ["y", "x"]}
    there = {"other_batch": ["a", "b"], "other_path": ["x", "y"], "bits": [7, 7]}
    assert tables.twice(replace(found, twice=pd.DataFrame(here | there))).rows == [["a/x", "b/y", "7"]]


@pytest.mark.parametrize(
    ("leaks", "text"),
    [
        ([], "Too few students: no probe was tried, so nothing is known of leaks."),
        (
            [False],
            "No leak was found: 1 probe that sees anything but the match got 50.0% at best, where chance is 50%.",
        ),
        (
            [False, False],
            "No leak was found: 2 probes that see anything but the match got 51.0% at best, where chance is 50%.",
        ),
        ([False, True], "The label can be read from file, without looking at the match: no result is to be trusted."),
    ],
    ids=["none", "one", "two", "leak"],
)
def test_audit_in_words(found: Facts, leaks: list[bool], text: str) -> None:
    probes = {
        name: {"balanced": 0.5 + place / 100, "low": 0.4, "high": 0.6, "leaks": leak}
        for place, (name, leak) in enumerate(zip(["order", "file"], leaks, strict=False))
    }
    facts = replace(found, audit=probes)
    assert tables.audited(facts) == text
    assert [row[-1] for row in tables.audit(facts).rows] == ["yes" if leak else "no" for leak in leaks]


def test_models_are_held_against_the_best_where_the_baseline_is_missing_tests_before_validation(found: Facts) -> None:
    table = tables.differences(found)
    (other,) = set(found.models) - {found.best}
    assert table.caption == f"Every model minus {found.best}, on the same students"
    assert [row[:3] for row in table.rows] == [
        [other, "men's shoes", "3"],
        [other, "both tests", "3"],
        [other, "validation", "5"],
    ]
    assert tables.kinds(found).rows == [], "nobody of test_w is there"
    assert [row[:3] for row in tables.accuracies(found).rows[:3]] == [
        [found.best, "men's shoes", "3"],
        [found.best, "both tests", "3"],
        [found.best, "validation", "5"],
    ]


def test_shares_of_answers_are_those_of_the_decision_and_none_are_told_from_none_wrong(found: Facts) -> None:
    sets = {"valid": Outcome(answered=0.75, wrong=0.04), "test": Outcome(answered=0.0, wrong=None)}
    changed = {"sets": sets, "model": "cnn", "same_above": 0.98765, "different_below": 0.0}
    facts = replace(found, decision=found.decision.model_copy(update=changed))
    assert tables.answered(facts).rows == [
        ["validation", "25.0%", "75.0%", "4.0%"],
        ["both tests", "100.0%", "0.0%", "no answers"],
    ]
    assert tables.thresholds(facts) == (
        "cnn calls same above a probability of 98.77% and nothing different, and says “not sure” otherwise."
    )


def test_table_as_markdown_turns_words_left_and_numbers_right() -> None:
    table = Table("key", "caption", ["batch", "source", "files"], [["a", "drawn", "6"]], 2)
    assert table.markdown == "| batch | source | files |\n| :-- | :-- | --: |\n| a | drawn | 6 |"


def test_trained_models_are_told_by_their_cards(found: Facts) -> None:
    card = {"parameters": 1_234_567, "layers": {"edge": 112}, "epoch": {"epoch": 61}}
    recipe = {"epochs": 80, "lr": 0.004, "batch_size": 12}
    cards = found.cards | {"siamese": card | {"recipe": recipe}}
    assert tables.trained(replace(found, cards=cards)).rows == [
        ["cnn", "1,234", "16", "3", "0.001", "32", "2"],
        ["siamese", "1,234,567", "112", "80", "0.004", "12", "61"],
    ]
