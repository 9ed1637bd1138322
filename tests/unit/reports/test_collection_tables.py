"""What commands on batches print, character by character."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from shoepair.commands.collection.drift import Shift
from shoepair.commands.collection.purging.search import Finding
from shoepair.reports import collection_tables
from shoepair.reports.text_tables import markdown_text, plain_text

COLUMNS = ["batch", "source", "students", "photos", "men", "women", "both", "quarantined", "bytes"]


def overview(*rows: tuple[Any, ...]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=COLUMNS).astype(dict.fromkeys(COLUMNS[2:], "Int64"))


def test_batches_are_aligned_with_totals_and_dashes_for_unknown_numbers() -> None:
    table = collection_tables.batch_table(
        overview(("drawn", "drawn", 105, 630, 60, 30, 15, 0, 1_234_567), ("w", "added", *[pd.NA] * 7))
    )
    assert table.plain_text().splitlines() == [
        "batch  source  students  photos  men's only  women's only  both  quarantined      bytes",
        "drawn  drawn        105     630          60            30    15            0  1,234,567",
        "w      added          -       -           -             -     -            -          -",
        "all                 105     630          60            30    15            0  1,234,567",
    ]


@settings(max_examples=20, deadline=None)
@given(numbers=st.lists(st.integers(0, 10**7), max_size=4))
def test_last_line_of_the_batches_is_the_sum_of_the_others(numbers: list[int]) -> None:
    rows = [(f"b{i}", "added", *[number] * 7) for i, number in enumerate(numbers)]
    lines = collection_tables.batch_table(overview(*rows)).plain_text().splitlines()
    assert len(lines) == len(numbers) + 2
    assert lines[-1].split() == ["all", *[f"{sum(numbers):,}"] * 7]
    assert len({len(line) for line in lines}) == 1, "numbers to the right end in one column"


def test_error_of_two_students_is_listed_once_before_changes_and_flags() -> None:
    same = "a.jpg: same content as b.jpg"
    report = {
        "reasons": {"u001": [same, "u001: 5 photos, expected 6"], "u002": [same]},
        "changed": {"cut": 1, "turned upright": 4},
        "flags": {"low_contrast": ["train/u003_1_left_m.jpg"], "dark": []},
    }
    assert collection_tables.list_validation_detail_lines(report) == [
        f"quarantined: {same}",
        "quarantined: u001: 5 photos, expected 6",
        "1 photo: cut",
        "4 photos: turned upright",
        "low contrast: train/u003_1_left_m.jpg",
    ]


def test_ignored_files_are_named_the_first_six_of_many() -> None:
    names = [f"train/._{number}" for number in range(8)]
    assert collection_tables.ignored_lines([]) == []
    assert collection_tables.ignored_lines(names[:6]) == [f"ignored, not copied: {', '.join(names[:6])}"]
    assert collection_tables.ignored_lines(names) == [f"ignored, not copied: {', '.join(names[:6])} and 2 more"]


def test_drift_names_each_shifted_measure_and_all_others_in_one_line() -> None:
    shifted = Shift("brightness", 0.2512, 0.6, 0.8, 0.00004, is_shifted=True)
    rest = [Shift(name, 1.0, 1.0, 0.1, 0.9, is_shifted=False) for name in ("size", "women")]
    assert collection_tables.list_drift_lines([rest[0], shifted, rest[1]]) == [
        "drift: brightness 0.25, in the existing batches 0.60 (distance 0.80, p 4e-05): check some photos"
        " before you continue",
        "no drift in size, women",
    ]
    assert len(collection_tables.list_drift_lines([shifted])) == 1
    assert collection_tables.list_drift_lines([]) == []


def test_validation_is_a_table_and_a_list_for_each_batch_with_errors() -> None:
    counts = {
        "files": 1200,
        "accepted": 1194,
        "quarantined": 5,
        "ignored": 1,
        "students": 199,
        "quarantined_students": 1,
    }
    clean = {"batch": "a", **counts, "reasons": {}, "changed": {}, "flags": {}}
    rejected = clean | {"batch": "b", "reasons": {"u001": ["u001: 5 photos"]}}
    total = {name: 2 * count for name, count in counts.items()}
    assert markdown_text(
        collection_tables.validation_blocks([clean, rejected], total, as_markdown=True)
    ).splitlines() == [
        "| batch | files | accepted | quarantined | ignored | students | quarantined students |",
        "| :-- | --: | --: | --: | --: | --: | --: |",
        "| a | 1,200 | 1,194 | 5 | 1 | 199 | 1 |",
        "| b | 1,200 | 1,194 | 5 | 1 | 199 | 1 |",
        "| all | 2,400 | 2,388 | 10 | 2 | 398 | 2 |",
        "",
        "### b",
        "- `quarantined: u001: 5 photos`",
    ]
    plain = plain_text(collection_tables.validation_blocks([clean, rejected], total, as_markdown=False)).splitlines()
    assert plain[3].split() == ["all", "2,400", "2,388", "10", "2", "398", "2"]
    assert plain[4:] == ["", "b:", "  quarantined: u001: 5 photos"]


def test_suspects_are_listed_with_probabilities_or_a_reason_why_not() -> None:
    probabilities = {"issue_probability": 0.4, "mispaired": 0.375, "swapped": 0.0, "not_a_shoe": 0.0125}
    row = {"batch": "a", "student": "u007", "rank": 1, "reason": "pair 1", **probabilities}
    head, line = plain_text(collection_tables.suspect_blocks([row])).splitlines()
    assert line.split() == ["a", "u007", "pair", "1", "1", "40.0%", "37.5%", "0.0%", "1.2%"]
    assert head.index("reason") == line.index("pair")
    assert collection_tables.suspect_blocks([]) == ["too few students for a ranking"]


def test_purge_lists_first_what_it_deletes_and_then_what_remains() -> None:
    doomed = [
        Finding("project folder", "picture", Path("dvc_plots/pair.png")),
        Finding("DVC's cache", "photo", Path("ab/c")),
    ]
    many = [Finding("project folder", "picture", Path(f"mine/{number}.jpg"), "may show them") for number in range(6)]
    plan = SimpleNamespace(
        counts=Counter({("DVC's cache", "photo"): 1_000, ("project folder", "picture"): 1}),
        doomed=doomed,
        unproven=[*many, Finding("project folder", "text", Path("notes\n.txt"), "names a student of this id")],
        remaining=["other clones"],
        warnings=["a remote may serve others"],
    )
    assert collection_tables.purge_plan_lines(plan) == [
        "to delete:",
        "  DVC's cache: 1,000 x photo",
        "  project folder: 1 x picture",
        "    dvc_plots/pair.png",
        "note: a remote may serve others",
    ]
    assert collection_tables.purge_remains_lines(plan)[1:] == [
        "  mine/: 6 x picture: may show them",
        "  notes\\n.txt: text: names a student of this id",
        "out of reach:",
        "  other clones",
    ]
    nothing = SimpleNamespace(counts=Counter(), doomed=[], unproven=[], remaining=[], warnings=[])
    assert collection_tables.purge_plan_lines(nothing) == ["to delete:", "  nothing"]
    assert collection_tables.purge_remains_lines(nothing) == ["out of reach:"]
