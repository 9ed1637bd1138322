"""What files that no record names hold of a withdrawn student."""

from __future__ import annotations

import base64
import hashlib
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.settings import write

from shoepair.commands.collection.purging import contents
from shoepair.commands.collection.purging.contents import INNOCENT, THEIRS, UNPROVEN, Evidence
from shoepair.commands.collection.purging.derivation import Origins
from shoepair.data import features_file, store
from shoepair.data.features_file import StudentFeatures

PHOTO, SHOWN = b"\x89PNG photo of u052", b"\xff\xd8\xff shown on the page in use"
MD5 = hashlib.md5(PHOTO, usedforsecurity=False).hexdigest()
PIXELS = {name: np.full((3, 2, 8, 8, 3), shade, np.uint8) for name, shade in (("u001", 9), ("u052", 77))}


def table(**columns: list[str]) -> bytes:
    file = io.BytesIO()
    pd.DataFrame(columns).to_parquet(file)
    return file.getvalue()


def array(*students: str, floats: bool = True) -> bytes:
    file, pixels = io.BytesIO(), np.stack([PIXELS[student] for student in students])
    np.save(file, store.scale_to_centred_float(pixels) if floats else pixels)
    return file.getvalue()


def page(*images: bytes, text: str = "") -> bytes:
    encoded = (base64.b64encode(image).decode().replace("+", "%2B").replace("/", "%2F") for image in images)
    return "".join([f"<p>{text}", *(f'<img src="data:image/jpeg;base64,{image}">' for image in encoded)]).encode()


def write_store(name: str, *students: str) -> Path:
    path = Path(name)
    store.write_store(path, list(students), (PIXELS[student] for student in students), 8)
    return path


@pytest.fixture
def evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Evidence:
    """u052 withdrew from `winter`, u007 from `late`; another u007 is present."""
    monkeypatch.chdir(tmp_path)
    return Evidence(
        {"winter": ["u052"], "late": ["u007"]},
        Origins({MD5: "photo"}, set(), set()),
        present_students={"u001", "u007"},
        their_stores=[write_store("old.h5", "u001", "u052")],
        stores_in_use=[write_store("new.h5", "u001")],
        pages_in_use=[write(Path("index.html"), page(SHOWN))],
    )


@pytest.mark.parametrize(
    ("content", "holds"),
    [
        (PHOTO, THEIRS),
        (SHOWN, UNPROVEN),
        (table(batch=["winter"], student=["u052"]), THEIRS),
        (table(batch=["late"], student=["u052"]), INNOCENT),
        (table(path=["train/u052_1_left_m.jpg"]), THEIRS),
        (table(path=["train/u007_1_left_m.jpg"]), UNPROVEN),
        (table(path=["train/u0521_1_left_m.jpg"]), INNOCENT),
        (b"PAR1, but torn", UNPROVEN),
        (b"\x89HDF, but torn", UNPROVEN),
        (array("u001", "u052"), THEIRS),
        (array("u052", floats=False), THEIRS),
        (array("u001"), INNOCENT),
        (b"\x93NUMPY, but torn", UNPROVEN),
        (b"quarantined: U052: 5 photos", THEIRS),
        (b"u007", UNPROVEN),
        (b"u0521, xu052 and u05 2", INNOCENT),
        (f"photo {MD5}.".encode(), THEIRS),
        (f"{'0' * 20}{MD5}{'1' * 7}".encode(), THEIRS),
        (b"\0" * 40 + b"weights", UNPROVEN),
        (page(PHOTO), THEIRS),
        (page(SHOWN), INNOCENT),
        (page(SHOWN, b"\xff\xd8\xff another"), UNPROVEN),
        (page(SHOWN, text="u052"), THEIRS),
        (b'<img src="data:image/jpeg;base64,A">', INNOCENT),
        (b"", INNOCENT),
    ],
)
def test_file_is_judged_by_its_content(content: bytes, holds: str, evidence: Evidence) -> None:
    verdict = contents.judge_file(write(Path("mine/any"), content), evidence)
    assert verdict.holds == holds
    assert bool(verdict.reason) or holds != UNPROVEN


def test_store_is_judged_by_its_students(evidence: Evidence) -> None:
    assert contents.judge_file(write_store("backup.h5", "u001", "u052"), evidence).holds == THEIRS
    assert contents.judge_file(write_store("backup.h5", "u001"), evidence).holds == INNOCENT


def test_features_are_judged_by_their_students(evidence: Evidence) -> None:
    kind = features_file.FeaturesKind("tiny.pth", "0" * 64, 32)
    for students, holds in ((["u001", "u052"], THEIRS), (["u001"], INNOCENT), ([], INNOCENT)):
        maps = (StudentFeatures({"stage6": np.zeros((3, 2, 2, 4), np.float16)}, None) for _ in students)
        features_file.write_features(Path("backup.h5"), kind, students, [False] * len(students), maps)
        assert contents.judge_file(Path("backup.h5"), evidence).holds == holds, students


def test_picture_that_is_named_like_a_photo_of_theirs_is_told_so(evidence: Evidence) -> None:
    for name, reason in (("U052 copy.png", "named like a withdrawn student's photo"), ("me.png", "may show them")):
        verdict = contents.judge_file(write(Path(name), SHOWN), evidence)
        assert verdict == (UNPROVEN, "picture", reason)


def test_recorded_digest_is_judged_without_reading(evidence: Evidence) -> None:
    evidence.origins.others.add(hashlib.md5(b"u052", usedforsecurity=False).hexdigest())
    assert contents.judge_file(write(Path("any"), b"u052"), evidence).holds == INNOCENT
