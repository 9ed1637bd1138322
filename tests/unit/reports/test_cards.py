"""The model card, the data card and the Croissant metadata: the same numbers again, and no more than is known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from support.pages import CLASS, Reader, cards, made, written_page

from shoepair.reports import terminal
from shoepair.reports.format import CROISSANT, DATA_CARD, MODEL_CARD, PAGE


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_counts_are_those_of_the_class() -> None:
    _, data, document = cards()
    splits = next(each for each in document["recordSet"] if each["@id"] == "splits")["data"]
    assert {row["splits/name"]: row["splits/students"] for row in splits} == CLASS
    whole = sum(CLASS.values())
    assert f"| all | {whole} | {6 * whole} | {3 * whole} |" in data
    assert f"{whole} students with three pairs" in document["description"]
    assert f"{3 * (whole - CLASS['test_w'])} pairs of men's shoes and {3 * CLASS['test_w']} of women's" in data


def test_model_card_has_the_numbers_of_the_page() -> None:
    found = made()
    text = written_page(found)
    card = MODEL_CARD.read_text()
    assert found.details["verdict"]["text"] in card
    for rows in Reader(text).tables.values():
        if rows[0][0] in {"model", "minus histogram"} and len(rows[0]) > 4:
            assert ["| " + " | ".join(row) + " |" for row in rows if "| " + " | ".join(row) + " |" not in card] == []
    got = found.details["kinds"]["cnn"]
    assert terminal.interval(got, "balanced", "+") in card
    assert "visually impaired" in card
    assert "Not meant for" in card


def test_cards_tell_drawn_from_photographed_classes() -> None:
    found = made()
    written_page(found)
    assert "the project does not know" in DATA_CARD.read_text()
    assert "shoepair forget" in DATA_CARD.read_text()
    written_page(replace(found, drawn=["a"]))
    assert "nobody's shoes are in it" in DATA_CARD.read_text()
    assert "None: the class is drawn." in DATA_CARD.read_text()
    assert json.loads(CROISSANT.read_text())["rai:dataCollectionType"] == ["Drawn by a program"]


@pytest.mark.parametrize("tta", [True, False])
def test_model_card_tells_of_four_views_where_there_are_four(tta: bool) -> None:
    found = made()
    cnn = found.cards["cnn"] | {"layers": {"edge": 16, "tta": tta}}
    written_page(replace(found, cards=found.cards | {"cnn": cnn}))
    for path in (MODEL_CARD, PAGE):
        told = " ".join(path.read_text().split())
        assert ("cnn could answer otherwise" in told) == tta
        assert "histogram and cnn" not in told


def test_cards_name_no_student() -> None:
    found = made(reasons={"u100": ["u100: 5 photos"]}, flags={"dark": ["train/u100_1_left_m.jpg"]})
    written_page(found)
    for path in (MODEL_CARD, DATA_CARD, CROISSANT):
        assert [student for student in found.split["student"] if student in path.read_text()] == []


def test_cards_without_test_students_and_baseline_say_so() -> None:
    model, data, _ = cards(sets={"train": 4, "valid": 8}, models=["cnn"])
    assert "The class has no test students" in model
    assert "Not compared: no students in test_m and test_w." in model
    assert "One model alone was trained" in model
    assert "No test students" in data


def test_tables_of_cards_are_whole() -> None:
    for card in cards()[:2]:
        assert "{{" not in card
        assert "\n\n\n" not in card
        for block in card.split("\n\n"):
            if block.startswith("|"):
                assert len({line.count("|") for line in block.strip().splitlines()}) == 1
