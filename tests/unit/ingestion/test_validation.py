"""Students with errors are quarantined, the others accepted; the counts add up."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.faults import FAULTS
from support.field import write_student

from shoepair.ingestion import file_manifest, validation


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(range(len(FAULTS))), max_size=12), st.integers(0, 3))
def test_counts_add_up_and_only_students_with_errors_are_quarantined(
    tmp_path_factory: pytest.TempPathFactory, planted: list[int], system: int
) -> None:
    folder = tmp_path_factory.mktemp("class")
    students = [f"u{number:03}" for number in range(1, 15)]
    for student in students:
        write_student(folder, student)
    for student, fault in zip(students, planted, strict=False):
        FAULTS[fault](sorted(folder.glob(f"{student}_*")))
    for number in range(system):
        (folder / f"._{number}").write_bytes(b"x")
    result = validation.validate_batch(folder, file_manifest.build_manifest(folder), 32)
    counts = result.count_files()
    assert counts["files"] == len(list(folder.iterdir()))
    assert counts["files"] == counts["accepted"] + counts["quarantined"] + counts["ignored"]
    assert counts["ignored"] == system
    assert sorted(set(result.accepted["student"])) == students[len(planted) :]
    assert sorted(result.errors_by_student) == students[: len(planted)]
    assert counts["quarantined_students"] == len(planted)
