"""Stages ingest and validate: files that are accepted or refused, and the messages."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.field import write_photo, write_student

from shoepair.data import parquet_files, schemas
from shoepair.runtime import json_files, paths
from shoepair.runtime.errors import ShoepairError
from stages import ingest, validate

TRAIN = Path("data/raw/tiny/train")


FIX = "correct the files, then run `dvc repro`; or set `validate.on_invalid: quarantine` to go on without them"


def run_both() -> None:
    ingest.main("tiny")
    validate.main("tiny")


def refused() -> str:
    """Return the error message of stage validate, after checking that nothing was written."""
    ingest.main("tiny")
    with pytest.raises(ShoepairError) as caught:
        validate.main("tiny")
    assert not paths.accepted_path("tiny").exists()
    assert not paths.validation_report_path("tiny").exists()
    return str(caught.value)


@pytest.mark.usefixtures("project")
def test_all_photos_of_a_valid_class_are_accepted(capsys: pytest.CaptureFixture[str]) -> None:
    run_both()
    rows = parquet_files.read_table(paths.accepted_path("tiny"), schemas.AcceptedPhotos)
    assert len(rows) == 48
    assert list(rows["student"].unique()) == ["u001", "u002", "u003", "u005", "u008", "u013", "u021", "u034"]
    assert list(zip(rows["pair"], rows["side"], strict=True))[:6] == [
        (pair, side) for pair in (1, 2, 3) for side in ("left", "right")
    ]
    assert "48 files = 48 accepted + 0 quarantined + 0 ignored" in capsys.readouterr().out


@pytest.mark.usefixtures("project")
def test_student_whose_files_end_in_png_is_not_lost() -> None:
    write_student(TRAIN, "u052", extension="png")
    run_both()
    rows = parquet_files.read_table(paths.accepted_path("tiny"), schemas.AcceptedPhotos)
    assert (rows["student"] == "u052").sum() == 6


@pytest.mark.usefixtures("project")
def test_system_files_change_no_byte_of_any_table_and_documents_are_counted() -> None:
    run_both()
    tables = (paths.manifest_path("tiny"), paths.accepted_path("tiny"), paths.validation_report_path("tiny"))
    before = [path.read_bytes() for path in tables]
    for name in (".DS_Store", "thumbs.db", "._u001_1_left_m.jpg", "Icon\r"):
        (TRAIN / name).write_bytes(b"x")
    run_both()
    assert [path.read_bytes() for path in tables] == before, "DVC does not see these files"
    for name in ("README.txt", "list.xlsx", "names.csv"):
        (TRAIN / name).write_bytes(b"x")
    run_both()
    assert paths.accepted_path("tiny").read_bytes() == before[1]
    report = json_files.read_json(paths.validation_report_path("tiny"), "")
    counts = {"files": 51, "accepted": 48, "quarantined": 0, "ignored": 3, "students": 8, "quarantined_students": 0}
    assert report.pop("flags")  # the tiny class is noise
    assert report == {"batch": "tiny", **counts, "changed": {}, "reasons": {}}


@pytest.mark.usefixtures("project")
def test_photos_directly_in_the_batch_count_as_train() -> None:
    write_student(TRAIN.parent, "u060")
    run_both()
    rows = parquet_files.read_table(paths.accepted_path("tiny"), schemas.AcceptedPhotos)
    assert set(rows.loc[rows["student"] == "u060", "subset"]) == {"train"}


@pytest.mark.usefixtures("project")
def test_all_errors_are_reported_at_once() -> None:
    (TRAIN / "u001_1_left_m.jpg").unlink()
    write_photo(TRAIN / "u002_4_left_m.jpg", [1])
    (TRAIN / "u003_2_right_m.jpg").write_bytes(b"no image")
    message = refused()
    assert "data/raw/tiny: 3 problems, nothing of batch 'tiny' was accepted" in message
    assert "u001: 5 photos, expected 6 (missing: pair 1 left)" in message
    assert "train/u002_4_left_m.jpg: pair 4, expected 1-3" in message
    assert "train/u003_2_right_m.jpg: cannot be decoded (not a JPEG, HEIC, PNG, WebP or AVIF image)" in message
    assert message.endswith(FIX)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("notes.mov", "train/notes.mov: not a photo's name, expected like u052_3_left_w.png"),
        ("u002_1_up_m.jpg", "side 'up', expected left or right"),
        ("u002_1_left_x.jpg", "category 'x', expected m or w"),
        ("U002_1_left_m.jpg", "student 'U002', expected a small u and digits"),
        ("u002_1_Left_m.png", "side 'Left', expected left or right"),
        ("u002_0_left_m.jpg", "pair 0, expected 1-3"),
        ("u002_1_left_m.jpg\n", "not a photo's name"),
    ],
)
@pytest.mark.usefixtures("project")
def test_name_that_breaks_the_grammar(name: str, message: str) -> None:
    write_photo(TRAIN / name, [99])
    assert message in refused()


@pytest.mark.usefixtures("project")
def test_name_with_control_characters_is_shown_escaped() -> None:
    (TRAIN / "u1\n\x1b[31mfake: all is well").write_bytes(b"x")
    assert r"u1\n\x1b[31mfake: all is well" in refused()


@pytest.mark.usefixtures("project")
def test_repeated_shoe_is_reported() -> None:
    write_photo(TRAIN / "u001_1_left_m.png", [77])
    assert "u001: 7 photos, expected 6 (more than once: pair 1 left)" in refused()


@pytest.mark.usefixtures("project")
def test_pair_of_two_categories() -> None:
    (TRAIN / "u001_1_left_m.jpg").rename(TRAIN / "u001_1_left_w.jpg")
    assert "u001: pair 1 is both m and w, expected one category" in refused()


@pytest.mark.usefixtures("project")
def test_category_that_does_not_belong_to_the_test_subset() -> None:
    write_student(TRAIN.parent / "test_m", "u070", category="w")
    write_student(TRAIN.parent / "test_w", "u071", category="m")
    message = refused()
    assert "u070: test_m/u070_1_left_w.jpg is of category w, expected only m in test_m" in message
    assert "u071: test_w/u071_3_right_m.jpg is of category m, expected only w in test_w" in message


@pytest.mark.usefixtures("project")
def test_student_in_two_subsets() -> None:
    write_student(TRAIN.parent / "test_m", "u001")
    assert "u001: in the subsets test_m and train, expected one" in refused()


@pytest.mark.usefixtures("project")
def test_two_files_of_the_same_content() -> None:
    (TRAIN / "u002_1_left_m.jpg").write_bytes((TRAIN / "u001_1_left_m.jpg").read_bytes())
    assert "train/u001_1_left_m.jpg: same content as train/u002_1_left_m.jpg" in refused()


@pytest.mark.usefixtures("project")
def test_folder_that_is_no_subset() -> None:
    write_photo(TRAIN / "more" / "u090_1_left_m.jpg", [5])
    assert "train/more/u090_1_left_m.jpg: in folder 'train/more', expected train, test_m, test_w or none" in refused()


@pytest.mark.parametrize(("content", "text"), [(b"", "the file is empty"), (b"GIF89a", "not a JPEG, HEIC, PNG")])
@pytest.mark.usefixtures("project")
def test_file_that_is_no_photo(content: bytes, text: str) -> None:
    (TRAIN / "u001_1_left_m.jpg").write_bytes(content)
    assert f"train/u001_1_left_m.jpg: cannot be decoded ({text}" in refused()


@pytest.mark.parametrize("encoding", ["PNG", "JPEG"])
@pytest.mark.usefixtures("project")
def test_truncated_photo(encoding: str) -> None:
    path = TRAIN / "u001_1_left_m.jpg"
    Image.open(path).convert("RGB").resize((90, 90)).save(path, encoding)
    path.write_bytes(path.read_bytes()[:-200])
    assert re.search(r"train/u001_1_left_m.jpg: cannot be decoded \(damaged: ", refused())


@pytest.mark.usefixtures("project")
def test_links_and_pipes_are_no_photos() -> None:
    (TRAIN / "u001_1_left_m.jpg").unlink()
    (TRAIN / "u001_1_left_m.jpg").symlink_to("/etc/passwd")
    os.mkfifo(TRAIN / "u099_1_left_m.jpg")
    message = refused()
    assert "train/u001_1_left_m.jpg: not a regular file but a link" in message
    assert "train/u099_1_left_m.jpg: not a regular file but a device or pipe" in message


def test_batch_without_photos(project: Path) -> None:
    (project / "data/raw/none").mkdir()
    (project / "data/raw/none/.gitignore").write_text("x")
    with pytest.raises(ShoepairError, match="data/raw/none: no photos"):
        ingest.main("none")


@pytest.mark.usefixtures("project")
def test_batch_without_a_folder_exits_1_without_a_traceback() -> None:
    command = [sys.executable, "-m", "stages.ingest", "winter"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "error: data/raw/winter: no such folder, but the batch is listed in data/batches.yaml",
        "put the photos there, or take 'winter' from the list",
    ]
    assert not Path("data/manifest").exists()


@pytest.mark.usefixtures("project")
def test_stage_called_without_arguments_prints_its_usage() -> None:
    command = [sys.executable, "-m", "stages.ingest"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "usage: python -m stages.ingest BATCH" in done.stderr


@pytest.mark.usefixtures("project")
def test_same_rows_give_the_same_bytes() -> None:
    ingest.main("tiny")
    first = paths.manifest_path("tiny").read_bytes()
    ingest.main("tiny")
    assert paths.manifest_path("tiny").read_bytes() == first


@pytest.mark.usefixtures("project")
def test_another_table_or_no_table_is_refused() -> None:
    run_both()
    with pytest.raises(ShoepairError, match="table acceptedphotos of format 2, expected manifest of format 2"):
        parquet_files.read_table(paths.accepted_path("tiny"), schemas.Manifest)
    paths.accepted_path("tiny").write_bytes(b"junk")
    with pytest.raises(ShoepairError, match="not a Parquet file"):
        parquet_files.read_table(paths.accepted_path("tiny"), schemas.AcceptedPhotos)
    with pytest.raises(ShoepairError, match=r"none.parquet: missing\nrun `dvc repro`"):
        parquet_files.read_table(paths.accepted_path("none"), schemas.AcceptedPhotos)


@pytest.mark.usefixtures("project")
def test_message_lists_problems_sorted_by_file_or_student() -> None:
    (TRAIN / "u003_2_right_m.jpg").write_bytes(b"")
    (TRAIN / "w note.mov").write_text("x")
    for side in ("left", "right"):
        (TRAIN / f"u013_3_{side}_m.jpg").unlink()
    write_photo(TRAIN / "u013_1_left_m.png", [8])
    assert refused().splitlines() == [
        "data/raw/tiny: 3 problems, nothing of batch 'tiny' was accepted",
        "  train/u003_2_right_m.jpg: cannot be decoded (the file is empty)",
        "  train/w note.mov: not a photo's name, expected like u052_3_left_w.png",
        "  u013: 5 photos, expected 6 (missing: pair 3 left, pair 3 right; more than once: pair 1 left)",
        FIX,
    ]


@pytest.mark.usefixtures("project")
def test_refused_batch_leaves_what_was_accepted_before() -> None:
    run_both()
    before = paths.accepted_path("tiny").read_bytes(), paths.validation_report_path("tiny").read_bytes()
    (TRAIN / "u001_1_left_m.jpg").unlink()
    ingest.main("tiny")
    with pytest.raises(ShoepairError, match="1 problem, nothing of batch 'tiny' was accepted"):
        validate.main("tiny")
    assert (paths.accepted_path("tiny").read_bytes(), paths.validation_report_path("tiny").read_bytes()) == before


@pytest.mark.usefixtures("project")
def test_content_of_three_files_is_reported_once_with_all_of_them() -> None:
    for name in ("u001_1_right_m.jpg", "u002_1_left_m.jpg"):
        (TRAIN / name).write_bytes((TRAIN / "u001_1_left_m.jpg").read_bytes())
    message = refused()
    assert "train/u001_1_left_m.jpg: same content as train/u001_1_right_m.jpg, train/u002_1_left_m.jpg\n" in message
    assert message.count("same content") == 1


@pytest.mark.usefixtures("project")
def test_files_of_file_managers_and_hidden_folders_are_ignored(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("desktop.ini", "Thumbs.db", "._a"):
        (TRAIN / name).write_bytes(b"x")
    write_photo(TRAIN / ".thumbnails" / "u001_1_left_m.jpg", [1])
    (TRAIN / "list.ods").write_bytes(b"x")
    run_both()
    assert "ingest tiny: 49 files, 1 of them ignored; 4 system files left out" in capsys.readouterr().out
    report = json_files.read_json(paths.validation_report_path("tiny"), "")
    assert report["files"] == report["accepted"] + report["ignored"] == 48 + 1


@pytest.mark.usefixtures("project")
def test_single_photo_of_a_student_is_reported_and_changes_no_other_rows() -> None:
    write_photo(TRAIN / "u000_1_left_m.jpg", [6])  # first of all in the listing
    assert "1 problem," in refused()
    rows = parquet_files.read_table(paths.manifest_path("tiny"), schemas.Manifest)
    assert list(rows["student"]) == [Path(path).name[:4] for path in rows["path"]]


@pytest.mark.usefixtures("project")
def test_errors_that_follow_from_two_subsets_are_not_reported() -> None:
    write_student(TRAIN.parent / "test_w", "u001", category="w")
    assert [line for line in refused().splitlines() if "u001" in line] == [
        "  u001: in the subsets test_w and train, expected one"
    ]


@pytest.mark.usefixtures("project")
def test_men_and_women_shoes_of_one_student_are_accepted_in_train() -> None:
    for side in ("left", "right"):
        (TRAIN / f"u001_3_{side}_m.jpg").rename(TRAIN / f"u001_3_{side}_w.jpg")
    run_both()
    rows = parquet_files.read_table(paths.accepted_path("tiny"), schemas.AcceptedPhotos)
    assert list(rows.loc[rows["student"] == "u001", "category"]) == ["m", "m", "m", "m", "w", "w"]


@pytest.mark.usefixtures("project")
def test_refused_batch_exits_1_without_a_traceback() -> None:
    (TRAIN / "u001_1_left_m.jpg").unlink()
    ingest.main("tiny")
    command = [sys.executable, "-m", "stages.validate", "tiny"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: data/raw/tiny: 1 problem, nothing of batch 'tiny' was accepted\n  u001: 5")
    assert "Traceback" not in done.stderr
    assert not Path("data/accepted").exists()
    assert not Path("reports").exists()


@pytest.mark.usefixtures("project")
def test_unreadable_file_is_reported_with_the_other_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    real = hashlib.file_digest

    def denied(file: Any, name: str) -> object:
        if Path(file.name).name == "u001_1_left_m.jpg":
            raise PermissionError(13, "Permission denied", file.name)
        return real(file, name)

    monkeypatch.setattr(hashlib, "file_digest", denied)
    (TRAIN / "notes.mov").write_text("x")
    message = refused()
    assert "train/u001_1_left_m.jpg: cannot be read (Permission denied)" in message
    assert "train/notes.mov: not a photo's name" in message


@pytest.mark.usefixtures("project")
def test_folder_with_the_name_of_a_photo_is_none() -> None:
    (TRAIN / "u001_1_left_m.jpg").unlink()
    (TRAIN / "u001_1_left_m.jpg").mkdir()
    assert "u001: 5 photos, expected 6 (missing: pair 1 left)" in refused()
    write_photo(TRAIN / "u001_1_left_m.jpg" / "u001_1_left_m.jpg", [4])
    assert "in folder 'train/u001_1_left_m.jpg', expected train, test_m, test_w or none" in refused()


@pytest.mark.usefixtures("project")
def test_name_that_is_not_utf8_is_shown_escaped() -> None:
    with Path(os.fsdecode(bytes(TRAIN.absolute()) + b"/u001_1_left_m.jp\xff")).open("wb") as file:
        file.write(b"x")
    assert r"train/u001_1_left_m.jp\udcff: not a photo's name (has '\udcff' in it, not UTF-8)" in refused()


@pytest.mark.usefixtures("project")
def test_link_out_of_the_batch_is_not_followed(tmp_path: Path) -> None:
    write_photo(tmp_path / "secret.png", [6])
    path = TRAIN / "u001_1_left_m.jpg"
    path.unlink()
    path.symlink_to(tmp_path / "secret.png")
    assert "train/u001_1_left_m.jpg: not a regular file but a link" in refused()
