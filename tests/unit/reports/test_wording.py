"""The sentences on drawn, photographed and mixed classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from support.pages import CARD, made

from shoepair.reports import wording
from shoepair.reports.results import Facts


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Facts]:
    """A photographed class of one batch with a single test student."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("facts"))
        yield made({"train": 1, "valid": 2, "test_w": 1}, models=["cnn"])


def counted(men: int, women: int) -> dict[str, dict[str, int]]:
    """A class whose only split has so many pairs of shoes."""
    return {"train": {"pairs_m": men, "pairs_w": women}}


@pytest.mark.parametrize(
    ("batches", "drawn", "text"),
    [
        (["a"], [], "24 photos in 1 batch, photographed by the students themselves. Labels"),
        (["a"], ["a"], "24 photos in 1 batch, all of them drawn by a program and not photographed. Labels"),
        (["a", "b", "c"], ["a", "c"], "24 photos in 3 batches, of which a, c drawn by a program. Labels"),
    ],
)
def test_description_tells_drawn_from_photographed_batches(
    found: Facts, batches: list[str], drawn: list[str], text: str
) -> None:
    told = wording.description(replace(found, batches=batches, drawn=drawn))
    assert told.startswith("Photos of shoes: 4 students with three pairs of shoes each, left and right, ")
    assert text in told


def test_collection_says_how_each_batch_came_and_what_nobody_knows_of_photographs(found: Facts) -> None:
    mixed = wording.collection(replace(found, batches=["a", "b", "c"], drawn=["a"]))
    assert mixed.startswith("The batch “a” was drawn by the stage sample from the seed in data/batches.yaml: ")
    assert " The batches b, c were handed in: each student photographed three pairs of shoes" in mixed
    assert mixed.endswith(wording.UNKNOWN)
    assert wording.UNKNOWN not in wording.collection(replace(found, drawn=["a"]))


def test_privacy_speaks_of_people_as_soon_as_one_batch_is_photographed(found: Facts) -> None:
    assert wording.privacy(replace(found, drawn=["a"])) == ["None: the class is drawn."]
    told = wording.privacy(replace(found, batches=["a", "b"], drawn=["a"]))
    assert told == wording.privacy(found)
    assert "`shoepair forget`" in told[1]


@pytest.mark.parametrize(
    ("men", "women", "text"),
    [
        (2, 1, "2 pairs of men's shoes and 1 of women's (33%). "),
        (1, 3000, "1 pair of men's shoes and 3,000 of women's (100%). "),
        (0, 0, "0 pairs of men's shoes and 0 of women's (0%). "),
    ],
)
def test_share_of_women_is_that_of_all_pairs_of_shoes(found: Facts, men: int, women: int, text: str) -> None:
    photographed = wording.biases(replace(found, counts=counted(men, women)))
    drawn = wording.biases(replace(found, counts=counted(men, women), drawn=["a"]))
    assert photographed[0] == drawn[0] == f"{text}Which of the two a pair is, the file name says."
    assert photographed[1].startswith("Three pairs of each student, chosen by the student")
    assert drawn[1].startswith("Drawn shoes vary less than real ones")
    assert len(photographed) == len(drawn) == 2


def test_limits_of_a_class_with_one_test_student_and_with_none(found: Facts) -> None:
    assert wording.limitations(found)[0].startswith("1 test student: intervals are wide")
    nobody = found.counts | {name: {"students": 0} for name in ("test_m", "test_w")}
    first, *rest = wording.limitations(replace(found, counts=nobody))
    assert first == "No test students: models can be compared on validation alone, on which they were chosen."
    assert rest == wording.limitations(found)[1:]


def card(tta: bool, synthetic: float) -> dict[str, Any]:
    return CARD | {"layers": {"edge": 16, "tta": tta}, "recipe": {"synthetic": synthetic}}


def test_drawn_students_and_four_views_are_told_only_where_a_model_had_them(found: Facts) -> None:
    none = replace(found, cards={"histogram": card(tta=False, synthetic=0.0)})
    assert (wording.drawn(none), wording.views(none)) == ("", "")
    cards = {name: card(tta=True, synthetic=share) for name, share in (("cnn", 0.0), ("siamese", 1.5))}
    some = replace(found, cards=none.cards | cards)
    assert "drawn students, 1.5 for each student of train" in wording.drawn(some)
    assert wording.views(some).startswith("cnn and siamese could answer otherwise to a pair mirrored or exchanged")
