"""Students and batches that leave, and what the cache and the workspace still hold of them."""

from __future__ import annotations

import pytest

from shoepair.commands.collection import remove, withdrawn
from shoepair.data import naming
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError


@pytest.mark.usefixtures("project")
def test_sample_class_leaves_with_its_declaration_and_nobody_withdraws_from_it() -> None:
    drawn = "batches:\n  - tiny\n  - drawn\nsamples:\n  drawn:\n    students: 3\n    test_students: 1\n    seed: 1\n"
    paths.BATCHES.write_text(drawn)
    with pytest.raises(ShoepairError, match="drawn, not photographed"):
        remove.forget("u001", "drawn")
    remove.remove("drawn")
    assert paths.BATCHES.read_text() == "batches:\n  - tiny\nsamples: {}\n"


@pytest.mark.usefixtures("project")
def test_photos_that_dvc_does_not_hold_are_not_deleted() -> None:
    with pytest.raises(ShoepairError, match="not tracked by DVC, so deleting it would lose the photos"):
        remove.remove("tiny")
    assert paths.raw("tiny").is_dir()


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("text", ["tiny: u005", "tiny: [5]", "- u005", "tiny: [anna]"])
def test_list_of_the_withdrawn_with_another_form_is_refused(text: str) -> None:
    paths.WITHDRAWN.write_text(text)
    with pytest.raises(ShoepairError, match=r"data/withdrawn\.yaml"):
        withdrawn.load()


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
def test_owner_is_told_from_any_name(name: str, student: str) -> None:
    assert naming.owner(name) == student
