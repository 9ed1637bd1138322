"""The report's page: what it says, held against the numbers it was made from; what it says where there are none."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.pages import CLASS, Reader, made, written_page

from shoepair.data.store import Store
from shoepair.reports import figures, results, terminal
from shoepair.reports.format import EXAMPLES, examples_of
from shoepair.runtime.errors import ShoepairError

HOSTILE = 'train/u9"><script>alert(1)</script><img src=x onerror=alert(1)>&amp;.jpg'


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_numbers_are_those_of_the_stages() -> None:
    found = made()
    reader = Reader(written_page(found))
    rows = reader.tables["Accuracy of every model, with 95% intervals"]
    wanted = [
        [model, name, str(got["students"]), terminal.interval(got, "positive"), terminal.interval(got, "negative")]
        for model, name, got in terminal.standings(found.details["models"], found.best)
    ]
    names = {"men's shoes": "test_m", "women's shoes": "test_w", "both tests": "test", "validation": "valid"}
    assert [[row[0], names[row[1]], *row[2:5]] for row in rows[1:]] == wanted
    assert found.details["verdict"]["text"] in reader.words
    assert found.decision.says.lower() in reader.words.lower()


def test_counts_add_up() -> None:
    tables = Reader(written_page(made())).tables
    whole = sum(CLASS.values())
    splits = {row[0]: row[1:] for row in tables["Students, photos and pairs of shoes of every split"]}
    numbers = [[int(cell) for cell in cells] for name, cells in splits.items() if "(" in name]
    assert [int(cell) for cell in splits["all"]] == [sum(column) for column in zip(*numbers, strict=True)]
    assert splits["all"][:3] == [str(whole), str(6 * whole), str(3 * whole)]
    batches = tables["Files and students of every batch"]
    assert batches[-1][2:] == [str(6 * whole), str(6 * whole), "0", "0", str(whole), "0"]


def test_counts_that_do_not_go_together_are_refused() -> None:
    found = made()
    for broken, text in (
        (replace(found, validation={"a": found.validation["a"] | {"ignored": 1}}), "expected the sum"),
        (replace(found, split=found.split.iloc[1:]), "23 students accepted, 23 counted in splits, 22 in the table"),
        (replace(found, scores=found.scores[found.scores["model"] == "cnn"]), "models histogram, cnn measured"),
    ):
        with pytest.raises(ShoepairError, match="do not go together") as error:
            results.refuse_mismatch(broken)
        assert text in str(error.value)


def test_confusion_and_examples_count_all_pairs() -> None:
    found = made()
    reader = Reader(written_page(found))
    for model in found.models:
        for name, title in (("test_m", "men's shoes"), ("test_w", "women's shoes")):
            (head, same, different), got = reader.tables[f"{model}, {title}"], found.details["models"][model][name]
            assert head[1:] == ["called same", "called different"]
            assert same[1].endswith(f"{got['positive']:.1%}")
            assert different[2].endswith(f"{got['negative']:.1%}")
            rows = found.of(model, name)
            wrong = rows[(rows["same"] == 1) & (rows["logit"] <= 0)]
            assert f"{len(wrong)} of {3 * got['students']} same pairs called different" in reader.words


def test_most_confident_mistakes_come_first() -> None:
    found = made(models=["cnn"], noise=3.0)
    rows = found.of("cnn", "test_m")
    wrong = rows[(rows["same"] == 0) & (rows["logit"] > 0)].sort_values("logit", ascending=False).head(6)
    text = " ".join(written_page(found).split())
    block = text[text.index("different pairs called same") :]
    captions = re.findall(r"<figcaption>(u\d+): left (\d), right (\d)<br>[\d.]+% same \(([^)]+)\)", block)[
        : len(wrong)
    ]
    assert captions == [
        (row.student, str(row.left), str(row.right), f"{row.logit:+.2f}") for row in wrong.itertuples()
    ]


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        (
            {"sets": {"train": 4, "valid": 8}},
            ["The class has no test students", "Not compared: no students in test_m"],
        ),
        ({"models": ["cnn"]}, ["One model alone was trained", "histogram was not trained"]),
        ({"noise": 0.0}, ["0 of 15 same pairs called different", "0 of 24 different pairs called same"]),
        ({}, ["names no model", "Nobody: no photo broke a rule", "No two photos nearly equal"]),
    ],
    ids=["no test students", "one model", "no mistakes", "nothing odd"],
)
def test_sections_without_data_say_so(options: dict[str, Any], texts: list[str]) -> None:
    words = Reader(written_page(made(**options))).words
    assert [text for text in texts if text not in words] == []


def test_sections_with_data_show_it() -> None:
    found = made(
        folded=["cnn"],
        files=6 * 23 + 3,
        quarantined=2,
        ignored=1,
        quarantined_students=1,
        reasons={"u900": ["u900: 2 photos, expected 6"]},
        flags={"low_contrast": ["train/u100_1_left_m.jpg"]},
        changed={"turned upright": 4},
    )
    copy = {"batch": "a", "student": "u100", "path": "train/u100_1_left_m.jpg"}
    other = {"other_batch": "a", "other_student": "u101", "other_path": "train/u101_1_left_m.jpg", "bits": 7}
    mirrored = {"batch": "a", "student": "u101", "path": other["other_path"], "other_batch": "a"}
    mirrored |= {"other_student": "u100", "other_path": copy["path"], "bits": 7}
    reader = Reader(written_page(replace(found, twice=pd.DataFrame([copy | other, mirrored]), drawn=["a"])))
    assert "141 files = 138 accepted + 2 set aside + 1 ignored." in reader.words
    assert reader.tables["Students and files set aside, with the reasons"][1][2] == "u900: 2 photos, expected 6"
    assert reader.tables["Photos that are flagged; flags exclude nobody"][1][:2] == ["low contrast", "1"]
    assert len(reader.tables["Photos that nearly equal each other, within one split"]) == 2
    assert "4 photos: turned upright" in reader.words
    assert "drawn by the stage sample" in reader.words
    folds = reader.tables["Cross-validation over the students of training and validation"][1]
    assert folds[:3] == ["cnn", "8", terminal.interval(found.folded["cnn"], "positive")]


def test_hostile_names_are_shown_and_not_run() -> None:
    found = made(reasons={HOSTILE: [f"{HOSTILE}: pair 9, expected 1-3"]}, flags={"dark": [HOSTILE]})
    found = replace(found, suspects=found.suspects.assign(why="<b>bold</b>"))
    found = replace(found, batches=["<b>atch"], validation={"<b>atch": found.validation["a"]})
    text = written_page(found)
    assert "<script" not in text
    assert "<img src=x" not in text
    assert "<b>" not in text
    assert "<b>atch" in Reader(text).tables["Files and students of every batch"][1]
    assert HOSTILE in Reader(text).words


def test_nothing_is_loaded_and_headings_are_in_order() -> None:
    reader = Reader(written_page(made()))
    assert [each for each in reader.addresses if not each.startswith(("data:", "#"))] == []
    assert {each[1:] for each in reader.addresses if each.startswith("#")} <= set(reader.ids)
    assert len(reader.ids) == len(set(reader.ids)), "an id stands twice"
    steps = [after - before for before, after in zip(reader.levels, reader.levels[1:], strict=False)]
    assert reader.levels[0] == 1
    assert reader.levels.count(1) == 1
    assert max(steps) == 1, "a level of headings is left out"
    assert all(reader.alts), "a picture without words"


def test_pictures_tell_their_numbers() -> None:
    found = made(models=["cnn"])
    alts = " ".join(Reader(written_page(found)).alts)
    got = found.details["models"]["cnn"]
    assert f"cnn {got['test_m']['auc']:.1%}" in alts
    assert "from 1.000 in the first one" in alts
    assert f"{got['test']['ece']:.1%} on average before" in alts
    assert f"{got['test']['positive']:.1%} above 0" in alts


def test_words_that_look_like_a_student_never_stand_in_a_picture() -> None:
    text = written_page(made())
    for coded in re.findall(r"base64,([^\"]*)", text):
        assert re.search(r"(?<![A-Za-z0-9])u[0-9]", coded, re.IGNORECASE) is None
        assert re.fullmatch(r"(?:[A-Za-z0-9]|%2B|%2F)+=*", coded)


def test_long_training_is_averaged() -> None:
    rows = pd.DataFrame({"loss": [float(number % 2) for number in range(20_000)]})
    drawn = figures.loss("cnn", rows)
    assert "20000 iterations" in drawn.alt
    assert len(drawn.svg) < 40_000


def test_same_facts_give_the_same_bytes_and_models_that_are_gone_leave_none(tmp_path: Path) -> None:
    found = made()
    (tmp_path / EXAMPLES).mkdir(parents=True)
    examples_of("gone").write_bytes(b"")
    first = written_page(found), {path: path.read_bytes() for path in sorted(EXAMPLES.iterdir())}
    assert list(first[1]) == [examples_of("cnn"), examples_of("histogram")]
    assert (written_page(found), {path: path.read_bytes() for path in sorted(EXAMPLES.iterdir())}) == first
    assert str(tmp_path) not in first[0]


def test_only_shown_students_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    found = made({"train": 30, "valid": 8, "test_m": 5, "test_w": 4})
    read: list[int] = []
    original = Store.read

    def noted(self: Store, rows: Any) -> Any:
        read.extend(int(row) for row in rows)
        return original(self, rows)

    monkeypatch.setattr(Store, "read", noted)
    written_page(replace(found, suspects=found.suspects.head(2)))
    assert len(read) == len(set(read)), "a student is read twice"
    assert set(read) <= {0, 1, *range(38, 47)}
