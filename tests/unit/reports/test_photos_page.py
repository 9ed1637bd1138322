"""The page of photos: a student's split, flags, suspicion and mistakes, and that no text ends its data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.pages import CLASS, made, written_page

from shoepair.reports import photos_page
from shoepair.reports.formatting import PHOTOS_PAGE_PATH


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_students_have_the_numbers_of_the_stages() -> None:
    results = made(flags={"low_contrast": ["train/u100_1_left_m.jpg"]})
    students = {student["student"]: student for student in photos_page.list_students(results)}
    assert len(students) == sum(CLASS.values())
    assert (students["u100"]["flags"], students["u100"]["rank"], students["u100"]["pairs"]) == (["low contrast"], 1, 0)
    rows = results.scores[results.scores["model"] == results.best_model]
    for name, pairs in rows.groupby("student"):
        wrong = ((pairs["logit"] > 0) != (pairs["same"] == 1)).sum()
        assert (students[name]["wrong"], students[name]["pairs"]) == (wrong, 9)
        assert (students[name]["worst"] < 0.5) == (wrong > 0), "less than even for a wrong answer only"


def test_no_text_ends_the_data() -> None:
    text = "</script><script>alert(1)</script>&<!--"
    coded = photos_page.encode_data([text])
    assert json.loads(coded) == [text]
    assert "<" not in coded


def test_page_has_the_students_and_permits_its_own_script_only() -> None:
    written_page(made())
    text = PHOTOS_PAGE_PATH.read_text()
    data = text[text.index('id="students">') + len('id="students">') :]
    assert len(json.loads(data[: data.index("</script>")])) == sum(CLASS.values())
    script = text[text.rindex("<script>") + len("<script>") : text.rindex("</script>")]
    assert f"script-src '{photos_page.digest_script(script)}'" in text
