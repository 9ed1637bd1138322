"""The list of those who withdrew, as a file."""

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
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_nobody_withdrew_from_a_project_without_the_file() -> None:
    assert withdrawn.load() == {}
    assert not paths.WITHDRAWN.exists()


def test_file_is_the_same_in_whatever_order_students_withdrew() -> None:
    for batch, student in (("winter", "u052"), ("a", "u1"), ("winter", "u007"), ("winter", "u052")):
        withdrawn.append(batch, student)
    assert paths.WITHDRAWN.read_text() == (
        "# Students who withdrew, by batch: written by `shoepair forget`, read by `shoepair forget --purge`.\n"
        "a:\n  - u1\nwinter:\n  - u007\n  - u052\n"
    )


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(NAMES, min_size=1, max_size=8))
def test_whoever_withdrew_is_read_back(names: list[tuple[str, str]]) -> None:
    paths.WITHDRAWN.unlink(missing_ok=True)
    for batch, student in names:
        withdrawn.append(batch, student)
    assert {(batch, student) for batch, students in withdrawn.load().items() for student in students} == set(names)


def test_every_batch_with_another_form_is_named_and_nothing_is_added_to_it() -> None:
    text = "good: [u052]\nbad: [U052]\n7: [u052]\nworse: u052\nfull: [u052 copy]\n"
    write(paths.WITHDRAWN, text)
    with pytest.raises(ShoepairError, match="expected batches, each with a list of students like u052") as error:
        withdrawn.append("good", "u053")
    assert error.value.problems == ("bad", "7", "worse", "full")
    assert error.value.fix == "correct it, or `git checkout data/withdrawn.yaml`"
    assert paths.WITHDRAWN.read_text() == text
