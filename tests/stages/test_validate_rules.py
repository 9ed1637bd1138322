"""Stage validate quarantines students with errors; the counts add up."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image
from support.commands import CLI, Run
from support.faults import FAULTS
from support.field import edit, write_class, write_photo, write_student

from benchmarks.costly_photos import make_jpeg, make_packed_text, make_png
from shoepair.commands.collection import add, overview
from shoepair.data import parquet_files
from shoepair.data.schemas import StudentSplits
from shoepair.ingestion import validation_counts
from shoepair.runtime import json_files, paths
from shoepair.runtime.errors import ShoepairError
from stages import ingest, normalize, split, validate

TRAIN = Path("data/raw/tiny/train")


def allow_quarantine(share: float = 1.0) -> None:
    """Let students be quarantined, up to this share of a batch."""
    edit(paths.PARAMS, "on_invalid: fail ", "on_invalid: quarantine ")
    edit(paths.PARAMS, "max_quarantined: 0.10 ", f"max_quarantined: {share} ")


def report() -> dict[str, object]:
    ingest.main("tiny")
    validate.main("tiny")
    return json_files.read_json(paths.validation_report_path("tiny"), "")


@pytest.mark.usefixtures("project")
def test_student_with_an_error_is_quarantined_and_the_others_are_accepted() -> None:
    allow_quarantine()
    (TRAIN / "u001_1_left_m.jpg").unlink()
    (TRAIN / "u002_2_right_m.jpg").write_bytes(b"")
    (TRAIN / "notes.mov").write_text("x")
    (TRAIN / "list.xlsx").write_text("x")
    (TRAIN / ".DS_Store").write_text("x")
    result = report()
    counts = {name: result[name] for name in validation_counts.COUNT_NAMES}
    assert counts == {
        **{"files": 49, "accepted": 36, "quarantined": 12, "ignored": 1},
        **{"students": 6, "quarantined_students": 2},
    }
    assert result["reasons"] == {
        "train/notes.mov": ["train/notes.mov: not a photo's name, expected like u052_3_left_w.png"],
        "u001": ["u001: 5 photos, expected 6 (missing: pair 1 left)"],
        "u002": ["train/u002_2_right_m.jpg: cannot be decoded (the file is empty)"],
    }
    normalize.main("tiny")
    split.main()
    students = parquet_files.read_table(paths.SPLIT, StudentSplits)["student"]
    assert {"u001", "u002"}.isdisjoint(students)
    assert len(students) == 6
    metrics = json_files.read_json(paths.VALIDATION_METRICS, "")
    assert metrics == {"total": counts, "tiny": counts}


@pytest.mark.usefixtures("project")
def test_both_students_with_the_same_photo_are_quarantined() -> None:
    allow_quarantine()
    shutil.copyfile(TRAIN / "u001_1_left_m.jpg", TRAIN / "u002_1_left_m.jpg")
    reasons = report()["reasons"]
    same = "train/u001_1_left_m.jpg: same content as train/u002_1_left_m.jpg"
    assert reasons == {"u001": [same], "u002": [same]}


@pytest.mark.usefixtures("project")
def test_too_many_quarantined_students_reject_the_batch() -> None:
    allow_quarantine(share=0.2)
    (TRAIN / "u001_1_left_m.jpg").unlink()
    assert report()["quarantined_students"] == 1
    (TRAIN / "u002_1_left_m.jpg").unlink()
    ingest.main("tiny")
    message = "2 problems, 2 of 8 students of batch 'tiny' would be quarantined"
    with pytest.raises(ShoepairError, match=message) as caught:
        validate.main("tiny")
    expected = "correct the files, then run `dvc repro`; `validate.max_quarantined` allows a share of 0.2"
    assert caught.value.fix == expected


@pytest.mark.usefixtures("project")
def test_batch_without_accepted_students_is_rejected() -> None:
    allow_quarantine()
    for path in TRAIN.parent.rglob("*_1_left_*"):
        path.unlink()
    ingest.main("tiny")
    with pytest.raises(ShoepairError, match="8 of 8 students of batch 'tiny' would be quarantined"):
        validate.main("tiny")


@pytest.mark.usefixtures("project")
def test_changed_photos_are_counted() -> None:
    path = TRAIN / "u001_1_left_m.jpg"
    write_photo(path, [5])
    data = path.read_bytes()
    with Image.open(path) as image:
        image.putalpha(100)
        image.save(path, "PNG")
    assert path.read_bytes() != data
    assert report()["changed"] == {"not fully opaque, laid on white": 1}


@pytest.mark.usefixtures("project")
def test_twenty_planted_errors_are_all_reported_and_the_counts_add_up(run: Run) -> None:
    folder = paths.raw_path("tiny") / "train"
    students = [f"u{number}" for number in range(400, 420)]
    for number, student in enumerate(students):
        write_student(folder, student)
        FAULTS[number % len(FAULTS)](sorted(folder.glob(f"{student}_*")))
    done = run(*CLI, "validate", "--json", status=1)
    (result,) = json.loads(done.stdout)
    assert sorted(result["reasons"]) == students
    assert result["quarantined_students"] == 20
    assert result["accepted"] == 48
    assert result["files"] == sum(1 for path in paths.raw_path("tiny").rglob("*") if not path.is_dir())
    assert result["files"] == result["accepted"] + result["quarantined"] + result["ignored"]


@pytest.mark.usefixtures("project")
def test_all_batches_are_validated_at_once(run: Run) -> None:
    assert "48" in run(*CLI, "validate").stdout
    write_class(paths.raw_path("late"), {"train": ("u200", "u201")})
    edit(paths.BATCH_LIST, "  - tiny\n", "  - tiny\n  - late\n")
    (TRAIN / "u001_1_left_m.jpg").unlink()
    (paths.raw_path("late") / "train/u200_1_left_m.jpg").unlink()
    done = run(*CLI, "validate", "--md", status=1)
    assert "| all | 58 | 48 | 10 | 0 | 8 | 2 |" in done.stdout
    assert "- `quarantined: u001: 5 photos, expected 6 (missing: pair 1 left)`" in done.stdout
    assert "- `quarantined: u200: 5 photos, expected 6 (missing: pair 1 left)`" in done.stdout
    assert list(overview.validation_result_by_batch()) == ["tiny", "late"]


@pytest.mark.usefixtures("repository")
def test_class_with_an_error_is_added_if_students_may_be_quarantined(run: Run, tmp_path: Path) -> None:
    write_class(tmp_path / "new", {"train": ("u300", "u301")})
    (tmp_path / "new/train/u300_1_left_m.jpg").unlink()
    with pytest.raises(ShoepairError, match="1 problem, nothing of batch 'new' was accepted"):
        add.add_batch(tmp_path / "new", "new")
    allow_quarantine()
    said = run(*CLI, "add", str(tmp_path / "new"), "--name", "new").stdout
    assert "quarantined: u300: 5 photos, expected 6 (missing: pair 1 left)" in said
    assert "1 student, 6 photos, 0 other files ignored: now batch 'new'" in said


@pytest.mark.usefixtures("project")
def test_student_whose_photo_asks_for_too_much_work_is_quarantined_alone() -> None:
    allow_quarantine()
    (TRAIN / "u001_1_left_m.jpg").write_bytes(make_jpeg(8_000, 2000, 1500))
    (TRAIN / "u003_1_left_m.jpg").write_bytes(make_png(32, make_packed_text(2**20) * 40))
    with (TRAIN / "u005_1_left_m.jpg").open("wb") as file:
        file.truncate(2**27)
    reasons = report()["reasons"]
    assert isinstance(reasons, dict)
    expected = {"u001": "8,000 scans", "u003": "bytes of metadata", "u005": "134,217,728 bytes, expected 64,000,000"}
    assert list(reasons) == list(expected)
    assert all(text in reasons[student][0] and len(reasons[student]) == 1 for student, text in expected.items())
    edit(paths.PARAMS, "on_invalid: quarantine ", "on_invalid: fail ")
    with pytest.raises(ShoepairError, match=r"u001_1_left_m.jpg: 8,000 scans"):
        add.add_batch(Path("data/raw/tiny"), "late", replace_others=True, dry_run=True)
