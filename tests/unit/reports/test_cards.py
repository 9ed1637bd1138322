"""The model card, the data card and the Croissant metadata: the numbers of the page, and nothing invented."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from support.pages import CLASS, Reader, cards, made, written_page

from shoepair.reports import terminal_tables
from shoepair.reports.formatting import CROISSANT_PATH, DATA_CARD_PATH, MODEL_CARD_PATH, PAGE_PATH


@pytest.fixture(autouse=True)
def _in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_counts_are_those_of_the_class() -> None:
    _, data, document = cards()
    splits = next(records for records in document["recordSet"] if records["@id"] == "splits")["data"]
    assert {row["splits/name"]: row["splits/students"] for row in splits} == CLASS
    students = sum(CLASS.values())
    assert f"| all | {students} | {6 * students} | {3 * students} |" in data
    assert f"{students} students with three pairs" in document["description"]
    assert f"{3 * (students - CLASS['test_w'])} pairs of men's shoes and {3 * CLASS['test_w']} of women's" in data


def test_model_card_has_the_numbers_of_the_page() -> None:
    results = made()
    text = written_page(results)
    card = MODEL_CARD_PATH.read_text()
    assert results.details["verdict"]["text"] in card
    for rows in Reader(text).tables.values():
        if rows[0][0] in {"model", "minus histogram"} and len(rows[0]) > 4:
            assert ["| " + " | ".join(row) + " |" for row in rows if "| " + " | ".join(row) + " |" not in card] == []
    difference = results.details["kinds"]["cnn"]
    assert terminal_tables.format_value_and_interval(difference, "balanced", "+") in card
    assert "visually impaired" in card
    assert "Not meant for" in card


def test_cards_separate_synthetic_from_photographed_classes() -> None:
    results = made()
    written_page(results)
    assert "The project does not know" in DATA_CARD_PATH.read_text()
    assert "shoepair forget" in DATA_CARD_PATH.read_text()
    written_page(replace(results, synthetic_batches=["a"]))
    assert "without any real shoe or photo" in DATA_CARD_PATH.read_text()
    assert "None: the class is synthetic." in DATA_CARD_PATH.read_text()
    assert json.loads(CROISSANT_PATH.read_text())["rai:dataCollectionType"] == ["Synthetic"]


@pytest.mark.parametrize("tta", [True, False])
def test_model_card_mentions_tta_only_if_used(tta: bool) -> None:
    results = made()
    cnn = results.model_cards["cnn"] | {"layers": {"edge": 16, "tta": tta}}
    written_page(replace(results, model_cards=results.model_cards | {"cnn": cnn}))
    for path in (MODEL_CARD_PATH, PAGE_PATH):
        text = " ".join(path.read_text().split())
        assert ("cnn can score a mirrored or swapped pair differently" in text) == tta
        assert "histogram and cnn" not in text


def test_cards_name_no_student() -> None:
    results = made(reasons={"u100": ["u100: 5 photos"]}, flags={"dark": ["train/u100_1_left_m.jpg"]})
    written_page(results)
    for path in (MODEL_CARD_PATH, DATA_CARD_PATH, CROISSANT_PATH):
        assert [student for student in results.split_table["student"] if student in path.read_text()] == []


def test_cards_without_test_students_and_baseline_say_so() -> None:
    model, data, _ = cards(sets={"train": 4, "valid": 8}, models=["cnn"])
    assert "There are no test students" in model
    assert "Not compared: no students in test_m and test_w." in model
    assert "Only one model was trained" in model
    assert "No test students" in data


def test_tables_of_cards_are_complete() -> None:
    for card in cards()[:2]:
        assert "{{" not in card
        assert "\n\n\n" not in card
        for block in card.split("\n\n"):
            if block.startswith("|"):
                assert len({line.count("|") for line in block.strip().splitlines()}) == 1
