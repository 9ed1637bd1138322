"""Removal of batches and students."""

from __future__ import annotations

import pytest

from shoepair.commands.collection import remove, withdrawn
from shoepair.data import naming
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError


@pytest.mark.usefixtures("project")
def test_synthetic_class_is_removed_with_its_declaration_and_has_no_withdrawals() -> None:
    synthetic = "  drawn:\n    students: 3\n    test_students: 1\n    seed: 1\n"
    paths.BATCH_LIST.write_text(f"batches:\n  - tiny\n  - drawn\nsynthetic_classes:\n{synthetic}")
    with pytest.raises(ShoepairError, match="a synthetic class, its students are not people"):
        remove.withdraw_student("u001", "drawn")
    sheets = {name: paths.sheets_path(name) / "u001.jpg" for name in ("tiny", "drawn")}
    for path in sheets.values():
        path.parent.mkdir(parents=True)
        path.touch()
    remove.remove_batch("drawn")
    assert [name for name, path in sheets.items() if path.parent.exists()] == ["tiny"]
    assert paths.BATCH_LIST.read_text() == "batches:\n  - tiny\nsynthetic_classes: {}\n"


@pytest.mark.usefixtures("project")
def test_photos_that_dvc_does_not_hold_are_not_deleted() -> None:
    with pytest.raises(ShoepairError, match="not tracked by DVC, so deleting it would lose the photos"):
        remove.remove_batch("tiny")
    assert paths.raw_path("tiny").is_dir()


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("text", ["tiny: u005", "tiny: [5]", "- u005", "tiny: [anna]"])
def test_list_of_the_withdrawn_with_another_form_is_refused(text: str) -> None:
    paths.WITHDRAWN_LIST.write_text(text)
    with pytest.raises(ShoepairError, match=r"data/withdrawn\.yaml"):
        withdrawn.withdrawn_students_by_batch()


@pytest.mark.parametrize(
    ("name", "student"),
    [
        ("u052_1_left_m.jpg", "u052"),
        ("._U052 copy.png", "u052"),
        ("yu052.jpg", ""),
        ("xu1.png", ""),
        ("u0521", "u0521"),
    ],
)
def test_student_id_is_extracted_from_any_name(name: str, student: str) -> None:
    assert naming.extract_student_id(name) == student
