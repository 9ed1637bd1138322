"""ingest and validate: what is found, what is refused, and in which words."""

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

from shoepair.data import documents, schemas, tables
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError
from stages import ingest, validate

TRAIN = Path("data/raw/tiny/train")


FIX = "correct the files, then run `dvc repro`; or set `validate.on_invalid: quarantine` to go on without them"


def run_both() -> None:
    ingest.main("tiny")
    validate.main("tiny")


def refused() -> str:
    """The message, after a check that nothing was written."""
    ingest.main("tiny")
    with pytest.raises(ShoepairError) as caught:
        validate.main("tiny")
    assert not paths.valid("tiny").exists()
    assert not paths.validation("tiny").exists()
    return str(caught.value)


@pytest.mark.usefixtures("project")
def test_sound_class_is_accepted_whole(capsys: pytest.CaptureFixture[str]) -> None:
    run_both()
    rows = tables.read(paths.valid("tiny"), schemas.Photos)
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
    assert (tables.read(paths.valid("tiny"), schemas.Photos)["student"] == "u052").sum() == 6


@pytest.mark.usefixtures("project")
def test_system_files_are_ignored_counted_and_shift_nobody() -> None:
    run_both()
    before = tables.read(paths.valid("tiny"), schemas.Photos)
    for name in (".DS_Store", "Thumbs.db", "._u001_1_left_m.jpg"):
        (TRAIN / name).write_bytes(b"x")
    run_both()
    assert tables.read(paths.valid("tiny"), schemas.Photos).equals(before)
    report = documents.read_json(paths.validation("tiny"), "")
    counts = {"files": 51, "accepted": 48, "quarantined": 0, "ignored": 3, "students": 8, "quarantined_students": 0}
    assert report.pop("flags")  # of noise, as the tiny class is
    assert report == {"batch": "tiny", **counts, "changed": {}, "reasons": {}}


@pytest.mark.usefixtures("project")
def test_photos_directly_in_the_batch_count_as_train() -> None:
    write_student(TRAIN.parent, "u060")
    run_both()
    rows = tables.read(paths.valid("tiny"), schemas.Photos)
    assert set(rows.loc[rows["student"] == "u060", "set"]) == {"train"}


@pytest.mark.usefixtures("project")
def test_all_faults_are_told_at_once() -> None:
    (TRAIN / "u001_1_left_m.jpg").unlink()
    write_photo(TRAIN / "u002_4_left_m.jpg", [1])
    (TRAIN / "u003_2_right_m.jpg").write_bytes(b"no image")
    message = refused()
    assert "data/raw/tiny: 3 problems, nothing of batch 'tiny' was accepted" in message
    assert "u001: 5 photos, expected 6 (missing: pair 1 left)" in message
    assert "train/u002_4_left_m.jpg: pair 4, expected 1-3" in message
    assert "train/u003_2_right_m.jpg: cannot be decoded (not a PNG, JPEG or WebP image)" in message
    assert message.endswith(FIX)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("notes.txt", "train/notes.txt: not a photo's name, expected like u052_3_left_w.png"),
        ("u002_1_up_m.jpg", "side 'up', expected left or right"),
        ("u002_1_left_x.jpg", "kind 'x', expected m or w"),
        ("U002_1_left_m.jpg", "student 'U002', expected a small u and digits"),
        ("u002_1_Left_m.png", "side 'Left', expected left or right"),
        ("u002_0_left_m.jpg", "pair 0, expected 1-3"),
        ("u002_1_left_m.jpg\n", "not a photo's name"),
    ],
)
@pytest.mark.usefixtures("project")
def test_name_that_breaks_the_grammar(name: str, text: str) -> None:
    write_photo(TRAIN / name, [99])
    assert text in refused()


@pytest.mark.usefixtures("project")
def test_name_with_control_characters_is_shown_escaped() -> None:
    (TRAIN / "u1\n\x1b[31mfake: all is well").write_bytes(b"x")
    assert r"u1\n\x1b[31mfake: all is well" in refused()


@pytest.mark.usefixtures("project")
def test_shoe_there_twice_is_named() -> None:
    write_photo(TRAIN / "u001_1_left_m.png", [77])
    assert "u001: 7 photos, expected 6 (more than once: pair 1 left)" in refused()


@pytest.mark.usefixtures("project")
def test_shoes_of_a_pair_of_two_kinds() -> None:
    (TRAIN / "u001_1_left_m.jpg").rename(TRAIN / "u001_1_left_w.jpg")
    assert "u001: pair 1 is both m and w, expected one kind" in refused()


@pytest.mark.usefixtures("project")
def test_kind_that_the_test_set_does_not_hold() -> None:
    write_student(TRAIN.parent / "test_m", "u070", kind="w")
    write_student(TRAIN.parent / "test_w", "u071", kind="m")
    message = refused()
    assert "u070: test_m/u070_1_left_w.jpg is of kind w, expected only m in test_m" in message
    assert "u071: test_w/u071_3_right_m.jpg is of kind m, expected only w in test_w" in message


@pytest.mark.usefixtures("project")
def test_student_in_two_sets() -> None:
    write_student(TRAIN.parent / "test_m", "u001")
    assert "u001: in the sets test_m and train, expected one" in refused()


@pytest.mark.usefixtures("project")
def test_two_files_of_the_same_content() -> None:
    (TRAIN / "u002_1_left_m.jpg").write_bytes((TRAIN / "u001_1_left_m.jpg").read_bytes())
    assert "train/u001_1_left_m.jpg: same content as train/u002_1_left_m.jpg" in refused()


@pytest.mark.usefixtures("project")
def test_folder_that_is_no_set() -> None:
    write_photo(TRAIN / "more" / "u090_1_left_m.jpg", [5])
    assert "train/more/u090_1_left_m.jpg: in folder 'train/more', expected train, test_m, test_w or none" in refused()


@pytest.mark.parametrize(("content", "text"), [(b"", "the file is empty"), (b"GIF89a", "not a PNG, JPEG or WebP")])
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
    assert re.search(r"train/u001_1_left_m.jpg: cannot be decoded \(.*truncated", refused())


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
    words = [sys.executable, "-m", "stages.ingest", "winter"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "error: data/raw/winter: no such folder, but the batch is listed in data/batches.yaml",
        "put the photos there, or take 'winter' from the list",
    ]
    assert not Path("data/table").exists()


@pytest.mark.usefixtures("project")
def test_stage_called_with_other_words_says_how() -> None:
    words = [sys.executable, "-m", "stages.ingest"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "usage: python -m stages.ingest BATCH" in done.stderr


@pytest.mark.usefixtures("project")
def test_same_rows_give_the_same_bytes() -> None:
    ingest.main("tiny")
    first = paths.table("tiny").read_bytes()
    ingest.main("tiny")
    assert paths.table("tiny").read_bytes() == first


@pytest.mark.usefixtures("project")
def test_table_of_another_kind_or_no_table_is_refused() -> None:
    run_both()
    with pytest.raises(ShoepairError, match="table photos of format 1, expected files of format 1"):
        tables.read(paths.valid("tiny"), schemas.Files)
    paths.valid("tiny").write_bytes(b"junk")
    with pytest.raises(ShoepairError, match="not a Parquet file"):
        tables.read(paths.valid("tiny"), schemas.Photos)
    with pytest.raises(ShoepairError, match=r"none.parquet: missing\nrun `dvc repro`"):
        tables.read(paths.valid("none"), schemas.Photos)


@pytest.mark.usefixtures("project")
def test_whole_message_in_the_order_of_the_names() -> None:
    (TRAIN / "u003_2_right_m.jpg").write_bytes(b"")
    (TRAIN / "w note.txt").write_text("x")
    for side in ("left", "right"):
        (TRAIN / f"u013_3_{side}_m.jpg").unlink()
    write_photo(TRAIN / "u013_1_left_m.png", [8])
    assert refused().splitlines() == [
        "data/raw/tiny: 3 problems, nothing of batch 'tiny' was accepted",
        "  train/u003_2_right_m.jpg: cannot be decoded (the file is empty)",
        "  train/w note.txt: not a photo's name, expected like u052_3_left_w.png",
        "  u013: 5 photos, expected 6 (missing: pair 3 left, pair 3 right; more than once: pair 1 left)",
        FIX,
    ]


@pytest.mark.usefixtures("project")
def test_refused_batch_leaves_what_was_accepted_before() -> None:
    run_both()
    before = paths.valid("tiny").read_bytes(), paths.validation("tiny").read_bytes()
    (TRAIN / "u001_1_left_m.jpg").unlink()
    ingest.main("tiny")
    with pytest.raises(ShoepairError, match="1 problem, nothing of batch 'tiny' was accepted"):
        validate.main("tiny")
    assert (paths.valid("tiny").read_bytes(), paths.validation("tiny").read_bytes()) == before


@pytest.mark.usefixtures("project")
def test_content_that_is_there_three_times_is_told_once_with_every_file() -> None:
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
    run_both()
    assert "ingest tiny: 52 files, 4 of them system files, ignored" in capsys.readouterr().out
    report = documents.read_json(paths.validation("tiny"), "")
    assert report["files"] == report["accepted"] + report["ignored"] == 48 + 4


@pytest.mark.usefixtures("project")
def test_stray_photo_is_told_and_moves_no_other_students_rows() -> None:
    write_photo(TRAIN / "u000_1_left_m.jpg", [6])  # first of all in the listing
    assert "1 problem," in refused()
    rows = tables.read(paths.table("tiny"), schemas.Files)
    assert list(rows["student"]) == [Path(path).name[:4] for path in rows["path"]]


@pytest.mark.usefixtures("project")
def test_student_in_two_sets_is_told_that_and_nothing_that_follows_from_it() -> None:
    write_student(TRAIN.parent / "test_w", "u001", kind="w")
    assert [line for line in refused().splitlines() if "u001" in line] == [
        "  u001: in the sets test_w and train, expected one"
    ]


@pytest.mark.usefixtures("project")
def test_men_and_women_shoes_of_one_student_are_accepted_in_train() -> None:
    for side in ("left", "right"):
        (TRAIN / f"u001_3_{side}_m.jpg").rename(TRAIN / f"u001_3_{side}_w.jpg")
    run_both()
    rows = tables.read(paths.valid("tiny"), schemas.Photos)
    assert list(rows.loc[rows["student"] == "u001", "kind"]) == ["m", "m", "m", "m", "w", "w"]


@pytest.mark.usefixtures("project")
def test_refusal_seen_from_outside() -> None:
    (TRAIN / "u001_1_left_m.jpg").unlink()
    ingest.main("tiny")
    words = [sys.executable, "-m", "stages.validate", "tiny"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: data/raw/tiny: 1 problem, nothing of batch 'tiny' was accepted\n  u001: 5")
    assert "Traceback" not in done.stderr
    assert not Path("data/valid").exists()
    assert not Path("reports").exists()


@pytest.mark.usefixtures("project")
def test_file_that_cannot_be_read_is_told_with_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    real = hashlib.file_digest

    def denied(file: Any, name: str) -> object:
        if Path(file.name).name == "u001_1_left_m.jpg":
            raise PermissionError(13, "Permission denied", file.name)
        return real(file, name)

    monkeypatch.setattr(hashlib, "file_digest", denied)
    (TRAIN / "notes.txt").write_text("x")
    message = refused()
    assert "train/u001_1_left_m.jpg: cannot be read (Permission denied)" in message
    assert "train/notes.txt: not a photo's name" in message


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
def test_link_that_leads_out_of_the_batch_is_not_followed(tmp_path: Path) -> None:
    write_photo(tmp_path / "secret.png", [6])
    path = TRAIN / "u001_1_left_m.jpg"
    path.unlink()
    path.symlink_to(tmp_path / "secret.png")
    assert "train/u001_1_left_m.jpg: not a regular file but a link" in refused()
