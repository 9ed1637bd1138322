"""The report page: its numbers compared with the results, and its texts where there are none."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.pages import CLASS, Reader, made, written_page

from shoepair.data.store import Store
from shoepair.reports import charts, terminal_tables
from shoepair.reports.formatting import EXAMPLES_FOLDER, examples_path
from shoepair.reports.results import raise_if_inconsistent
from shoepair.runtime.errors import ShoepairError

HOSTILE = 'train/u9"><script>alert(1)</script><img src=x onerror=alert(1)>&amp;.jpg'


@pytest.fixture(autouse=True)
def _in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_numbers_are_those_of_the_stages() -> None:
    results = made()
    reader = Reader(written_page(results))
    rows = reader.tables["Accuracy of every model, with 95% intervals"]
    expected = [
        [
            model,
            split,
            str(stats["students"]),
            *terminal_tables.format_values_and_intervals(stats, ("positive", "negative")),
        ]
        for model, split, stats in terminal_tables.iter_models_in_order(results.details["models"], results.best_model)
    ]
    names = {"men's shoes": "test_m", "women's shoes": "test_w", "both tests": "test", "validation": "valid"}
    assert [[row[0], names[row[1]], *row[2:5]] for row in rows[1:]] == expected
    assert results.details["verdict"]["text"] in reader.words
    assert results.decision_rule.says.lower() in reader.words.lower()


def test_counts_add_up() -> None:
    tables = Reader(written_page(made())).tables
    students = sum(CLASS.values())
    splits = {row[0]: row[1:] for row in tables["Students, photos and pairs of shoes of every split"]}
    numbers = [[int(cell) for cell in cells] for name, cells in splits.items() if "(" in name]
    assert [int(cell) for cell in splits["all"]] == [sum(column) for column in zip(*numbers, strict=True)]
    assert splits["all"][:3] == [str(students), str(6 * students), str(3 * students)]
    batches = tables["Files and students of every batch"]
    assert batches[-1][2:] == [str(6 * students), str(6 * students), "0", "0", str(students), "0"]


def test_contradicting_counts_are_an_error() -> None:
    results = made()
    for broken, text in (
        (
            replace(results, validation_reports={"a": results.validation_reports["a"] | {"ignored": 1}}),
            "expected the sum",
        ),
        (
            replace(results, split_table=results.split_table.iloc[1:]),
            "23 students accepted, 23 in split counts, 22 in the split table",
        ),
        (replace(results, scores=results.scores[results.scores["model"] == "cnn"]), "models histogram, cnn evaluated"),
    ):
        with pytest.raises(ShoepairError, match="contradict each other") as error:
            raise_if_inconsistent(broken)
        assert text in str(error.value)


def test_confusion_and_examples_count_all_pairs() -> None:
    results = made()
    reader = Reader(written_page(results))
    for model in results.models:
        for name, title in (("test_m", "men's shoes"), ("test_w", "women's shoes")):
            (head, same, different), stats = reader.tables[f"{model}, {title}"], results.details["models"][model][name]
            assert head[1:] == ["called same", "called different"]
            assert same[1].endswith(f"{stats['positive']:.1%}")
            assert different[2].endswith(f"{stats['negative']:.1%}")
            rows = results.select_scores(model, name)
            wrong = rows[(rows["same"] == 1) & (rows["logit"] <= 0)]
            assert f"{len(wrong)} of {3 * stats['students']} same pairs called different" in reader.words


def test_most_confident_mistakes_come_first() -> None:
    results = made(models=["cnn"], noise=3.0)
    rows = results.select_scores("cnn", "test_m")
    wrong = rows[(rows["same"] == 0) & (rows["logit"] > 0)].sort_values("logit", ascending=False).head(6)
    text = " ".join(written_page(results).split())
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
            ["There are no test students", "Not compared: no students in test_m"],
        ),
        ({"models": ["cnn"]}, ["Only one model was trained", "histogram was not trained"]),
        ({"noise": 0.0}, ["0 of 15 same pairs called different", "0 of 24 different pairs called same"]),
        ({}, ["params.yaml is empty", "No student is quarantined", "No near-duplicates"]),
    ],
    ids=["no test students", "one model", "no mistakes", "no issues"],
)
def test_sections_without_data_say_so(options: dict[str, Any], texts: list[str]) -> None:
    words = Reader(written_page(made(**options))).words
    assert [text for text in texts if text not in words] == []


def test_sections_with_data_show_it() -> None:
    results = made(
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
    other = {"other_batch": "a", "other_student": "u101", "other_path": "train/u101_1_left_m.jpg", "hash_distance": 7}
    mirrored = {"batch": "a", "student": "u101", "path": other["other_path"], "other_batch": "a"}
    mirrored |= {"other_student": "u100", "other_path": copy["path"], "hash_distance": 7}
    reader = Reader(
        written_page(replace(results, duplicates=pd.DataFrame([copy | other, mirrored]), synthetic_batches=["a"]))
    )
    assert "141 files = 138 accepted + 2 quarantined + 1 ignored." in reader.words
    assert reader.tables["Quarantined students and files, with the reasons"][1][2] == "u900: 2 photos, expected 6"
    assert reader.tables["Flagged photos; flags exclude nobody"][1][:2] == ["low contrast", "1"]
    assert len(reader.tables["Near-duplicate photos within one split"]) == 2
    assert "4 photos: turned upright" in reader.words
    assert "generated by the stage sample from" in reader.words
    folds = reader.tables["Cross-validation over the training and validation students"][1]
    assert folds[:3] == ["cnn", "8", terminal_tables.format_value_and_interval(results.cv_metrics["cnn"], "positive")]


def test_hostile_names_are_shown_and_not_run() -> None:
    results = made(reasons={HOSTILE: [f"{HOSTILE}: pair 9, expected 1-3"]}, flags={"dark": [HOSTILE]})
    results = replace(results, suspects=results.suspects.assign(reason="<b>bold</b>"))
    results = replace(results, batches=["<b>atch"], validation_reports={"<b>atch": results.validation_reports["a"]})
    text = written_page(results)
    assert text.count("<script") == 1, "the page's own"
    assert "<img src=x" not in text
    assert "<b>" not in text
    assert "<b>atch" in Reader(text).tables["Files and students of every batch"][1]
    assert HOSTILE in Reader(text).words


def test_nothing_is_loaded_and_headings_are_in_order() -> None:
    reader = Reader(written_page(made()))
    others = {url.partition("#")[0] for url in reader.addresses if not url.startswith(("data:", "#"))}
    assert others == {"photos.html", "model-card.md", "data-card.md", "croissant.json"}
    assert {url[1:] for url in reader.addresses if url.startswith("#")} <= set(reader.ids)
    assert len(reader.ids) == len(set(reader.ids)), "an id stands twice"
    steps = [after - before for before, after in zip(reader.levels, reader.levels[1:], strict=False)]
    assert reader.levels[0] == 1
    assert reader.levels.count(1) == 1
    assert max(steps) == 1, "a level of headings is left out"
    assert all(reader.alts), "a picture without words"


def test_text_alternatives_contain_the_numbers() -> None:
    results = made(models=["cnn"])
    alts = " ".join(Reader(written_page(results)).alts)
    stats = results.details["models"]["cnn"]
    assert f"cnn {stats['test_m']['auc']:.1%}" in alts
    assert "from 1.000 in the first one" in alts
    assert f"{stats['test']['ece']:.1%} on average before" in alts
    assert f"{stats['test']['positive']:.1%} above 0" in alts


def test_words_that_look_like_a_student_never_stand_in_a_picture() -> None:
    text = written_page(made())
    for coded in re.findall(r"base64,([^\"]*)", text):
        assert re.search(r"(?<![A-Za-z0-9])u[0-9]", coded, re.IGNORECASE) is None
        assert re.fullmatch(r"(?:[A-Za-z0-9]|%2B|%2F)+=*", coded)


def test_long_training_is_averaged() -> None:
    rows = pd.DataFrame({"loss": [float(number % 2) for number in range(20_000)]})
    chart = charts.build_loss_chart("cnn", rows)
    assert "20000 iterations" in chart.alt
    assert len(chart.svg) < 40_000


def test_same_results_give_the_same_bytes_and_images_of_removed_models_are_deleted(tmp_path: Path) -> None:
    results = made()
    (tmp_path / EXAMPLES_FOLDER).mkdir(parents=True)
    examples_path("gone").write_bytes(b"")
    first = written_page(results), {path: path.read_bytes() for path in sorted(EXAMPLES_FOLDER.iterdir())}
    assert list(first[1]) == [examples_path("cnn"), examples_path("histogram")]
    assert (written_page(results), {path: path.read_bytes() for path in sorted(EXAMPLES_FOLDER.iterdir())}) == first
    assert str(tmp_path) not in first[0]


def test_only_shown_students_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    results = made({"train": 30, "valid": 8, "test_m": 5, "test_w": 4})
    read: list[int] = []
    original = Store.read_students

    def noted(self: Store, rows: Any) -> Any:
        read.extend(int(row) for row in rows)
        return original(self, rows)

    monkeypatch.setattr(Store, "read_students", noted)
    written_page(replace(results, suspects=results.suspects.head(2)))
    assert len(read) == len(set(read)), "a student is read twice"
    assert set(read) <= {0, 1, *range(38, 47)}


def test_answer_is_a_picture_on_top_and_digest_and_parameters_stand_in_the_foot() -> None:
    results = made()
    text = written_page(results)
    answer = text[text.index('aria-label="Balanced accuracy of every model') :]
    assert text.index('aria-label="Balanced accuracy of every model') < text.index("<main")
    for model in results.models:
        for split, title in (("test_m", "men&#39;s shoes"), ("test_w", "women&#39;s shoes")):
            assert f"{model}, {title}: {results.details['models'][model][split]['balanced']:.1%} (" in answer
    foot = text[text.index("<footer") :]
    assert results.dataset_digest in foot
    assert "batch_size: 32" in foot


def test_worst_mistakes_are_the_most_confident_ones_of_the_best_model() -> None:
    results = made(noise=3.0)
    rows = results.select_scores(results.best_model, "test")
    wrong = rows[(rows["logit"] > 0) != (rows["same"] == 1)]
    worst = wrong.loc[wrong["logit"].abs().sort_values(ascending=False).index].head(6)
    text = written_page(results)
    section = text[text.index('<section id="mistakes"') : text.index('<section id="unsure"')]
    assert re.findall(r"photos.html#(u\d+)", section) == list(worst["student"])


def test_long_tables_and_other_models_are_folded() -> None:
    text = written_page(made(models=["histogram", "cnn", "siamese"]))
    assert re.search(r"<details><summary>Accuracy of every model[^<]*\(12 rows\)", text)
    assert text.count("<details><summary>") == 2 + 4 * 2  # tables; of two models training, matrices, scores, examples
    assert "<summary>Students, photos and pairs" not in text, "a short table"
