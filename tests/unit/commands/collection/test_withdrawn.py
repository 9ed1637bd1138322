"""data/withdrawn.yaml, the list of withdrawn students."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.settings import write

from shoepair.commands.collection import withdrawn
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

NAMES = st.tuples(st.sampled_from(["a", "winter", "2024"]), st.integers(0, 999).map("u{:03}".format))


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_project_without_the_file_has_no_withdrawn_students() -> None:
    assert withdrawn.withdrawn_students_by_batch() == {}
    assert not paths.WITHDRAWN_LIST.exists()


def test_file_is_the_same_in_whatever_order_students_withdrew() -> None:
    for batch, student in (("winter", "u052"), ("a", "u1"), ("winter", "u007"), ("winter", "u052")):
        withdrawn.record_withdrawal(batch, student)
    assert paths.WITHDRAWN_LIST.read_text() == (
        "# Students who withdrew, by batch: written by `shoepair forget`, read by `shoepair forget --purge`.\n"
        "a:\n  - u1\nwinter:\n  - u007\n  - u052\n"
    )


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(NAMES, min_size=1, max_size=8))
def test_withdrawn_students_are_read_back(names: list[tuple[str, str]]) -> None:
    paths.WITHDRAWN_LIST.unlink(missing_ok=True)
    for batch, student in names:
        withdrawn.record_withdrawal(batch, student)
    assert {
        (batch, student) for batch, students in withdrawn.withdrawn_students_by_batch().items() for student in students
    } == set(names)


def test_every_batch_with_another_form_is_named_and_nothing_is_added_to_it() -> None:
    text = "good: [u052]\nbad: [U052]\n7: [u052]\nworse: u052\nfull: [u052 copy]\n"
    write(paths.WITHDRAWN_LIST, text)
    with pytest.raises(ShoepairError, match="expected batches, each with a list of students like u052") as error:
        withdrawn.record_withdrawal("good", "u053")
    assert error.value.problems == ("bad", "7", "worse", "full")
    assert error.value.fix == "correct it, or `git checkout data/withdrawn.yaml`"
    assert paths.WITHDRAWN_LIST.read_text() == text
