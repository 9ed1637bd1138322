"""Students with faults set aside: who goes, who stays, why, and that the counts add up."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image
from support.commands import CLI, Run
from support.faults import FAULTS
from support.field import edit, write_class, write_photo, write_student

from shoepair.commands.collection import add, overview
from shoepair.data import documents, tables
from shoepair.data.schemas import Split
from shoepair.ingestion import rules
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError
from stages import ingest, normalize, split, validate

TRAIN = Path("data/raw/tiny/train")


def set_aside(share: float = 1.0) -> None:
    """Quarantine, up to this share of the students."""
    edit(paths.PARAMS, "on_invalid: fail ", "on_invalid: quarantine ")
    edit(paths.PARAMS, "max_quarantined: 0.10 ", f"max_quarantined: {share} ")


def report() -> dict[str, object]:
    ingest.main("tiny")
    validate.main("tiny")
    return documents.read_json(paths.validation("tiny"), "")


@pytest.mark.usefixtures("project")
def test_student_with_a_fault_is_set_aside_and_the_rest_goes_on() -> None:
    set_aside()
    (TRAIN / "u001_1_left_m.jpg").unlink()
    (TRAIN / "u002_2_right_m.jpg").write_bytes(b"")
    (TRAIN / "notes.txt").write_text("x")
    (TRAIN / ".DS_Store").write_text("x")
    got = report()
    counts = {name: got[name] for name in rules.COUNTS}
    assert counts == {
        **{"files": 49, "accepted": 36, "quarantined": 12, "ignored": 1},
        **{"students": 6, "quarantined_students": 2},
    }
    assert got["reasons"] == {
        "train/notes.txt": ["train/notes.txt: not a photo's name, expected like u052_3_left_w.png"],
        "u001": ["u001: 5 photos, expected 6 (missing: pair 1 left)"],
        "u002": ["train/u002_2_right_m.jpg: cannot be decoded (the file is empty)"],
    }
    normalize.main("tiny")
    split.main()
    students = tables.read(paths.SPLIT, Split)["student"]
    assert {"u001", "u002"}.isdisjoint(students)
    assert len(students) == 6
    metrics = documents.read_json(paths.VALIDATION_METRICS, "")
    assert metrics == {"total": counts, "tiny": counts}


@pytest.mark.usefixtures("project")
def test_both_students_with_the_same_photo_are_set_aside() -> None:
    set_aside()
    shutil.copyfile(TRAIN / "u001_1_left_m.jpg", TRAIN / "u002_1_left_m.jpg")
    reasons = report()["reasons"]
    same = "train/u001_1_left_m.jpg: same content as train/u002_1_left_m.jpg"
    assert reasons == {"u001": [same], "u002": [same]}


@pytest.mark.usefixtures("project")
def test_too_many_set_aside_refuse_the_batch() -> None:
    set_aside(share=0.2)
    (TRAIN / "u001_1_left_m.jpg").unlink()
    assert report()["quarantined_students"] == 1
    (TRAIN / "u002_1_left_m.jpg").unlink()
    ingest.main("tiny")
    with pytest.raises(
        ShoepairError, match="2 problems, 2 of 8 students of batch 'tiny' would be set aside"
    ) as caught:
        validate.main("tiny")
    assert caught.value.fix == "correct the files; `validate.max_quarantined` allows a share of 0.2"


@pytest.mark.usefixtures("project")
def test_batch_of_which_nobody_is_left_is_refused() -> None:
    set_aside()
    for path in TRAIN.parent.rglob("*_1_left_*"):
        path.unlink()
    ingest.main("tiny")
    with pytest.raises(ShoepairError, match="8 of 8 students of batch 'tiny' would be set aside"):
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
def test_twenty_planted_faults_are_all_told_and_the_counts_add_up(run: Run) -> None:
    folder = paths.raw("tiny") / "train"
    students = [f"u{number}" for number in range(400, 420)]
    for number, student in enumerate(students):
        write_student(folder, student)
        FAULTS[number % len(FAULTS)](sorted(folder.glob(f"{student}_*")))
    done = run(*CLI, "validate", "--json", status=1)
    (got,) = json.loads(done.stdout)
    assert sorted(got["reasons"]) == students
    assert got["quarantined_students"] == 20
    assert got["accepted"] == 48
    assert got["files"] == sum(1 for path in paths.raw("tiny").rglob("*") if not path.is_dir())
    assert got["files"] == got["accepted"] + got["quarantined"] + got["ignored"]


@pytest.mark.usefixtures("project")
def test_all_batches_are_judged_at_once(run: Run) -> None:
    assert "48" in run(*CLI, "validate").stdout
    write_class(paths.raw("late"), {"train": ("u200", "u201")})
    edit(paths.BATCHES, "  - tiny\n", "  - tiny\n  - late\n")
    (TRAIN / "u001_1_left_m.jpg").unlink()
    (paths.raw("late") / "train/u200_1_left_m.jpg").unlink()
    done = run(*CLI, "validate", "--md", status=1)
    assert "| all | 58 | 48 | 10 | 0 | 8 | 2 |" in done.stdout
    assert "- `set aside: u001: 5 photos, expected 6 (missing: pair 1 left)`" in done.stdout
    assert "- `set aside: u200: 5 photos, expected 6 (missing: pair 1 left)`" in done.stdout
    assert list(overview.judged()) == ["tiny", "late"]


@pytest.mark.usefixtures("repository")
def test_class_that_arrives_with_a_fault_is_taken_where_students_may_be_set_aside(run: Run, tmp_path: Path) -> None:
    write_class(tmp_path / "new", {"train": ("u300", "u301")})
    (tmp_path / "new/train/u300_1_left_m.jpg").unlink()
    with pytest.raises(ShoepairError, match="1 problem, nothing of batch 'new' was accepted"):
        add.add(tmp_path / "new", "new")
    set_aside()
    said = run(*CLI, "add", str(tmp_path / "new"), "--name", "new").stdout
    assert "set aside: u300: 5 photos, expected 6 (missing: pair 1 left)" in said
    assert "1 students, 6 photos, 0 system files ignored: now batch 'new'" in said
