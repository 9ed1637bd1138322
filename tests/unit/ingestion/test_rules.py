"""Students with faults set aside: who goes, who stays, why, and that the counts add up."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.field import write_student

from shoepair.ingestion import rules, scan


def rename(path: Path, old: str, new: str) -> None:
    path.rename(path.with_name(path.name.replace(old, new, 1)))


def link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/hostname")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


# What goes wrong with a student's six photos.
FAULTS: tuple[Callable[[list[Path]], object], ...] = (
    lambda six: six[0].unlink(),
    lambda six: six[1].write_bytes(b""),
    lambda six: six[2].write_bytes(six[2].read_bytes()[:-40]),
    lambda six: six[3].write_bytes(six[4].read_bytes()),
    lambda six: rename(six[5], "_3_", "_4_"),
    lambda six: rename(six[0], "left", "Left"),
    lambda six: rename(six[1], "u", "U"),
    lambda six: rename(six[2], "_m.", "_w."),
    lambda six: link(six[3]),
    lambda six: pipe(six[4]),
)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(range(len(FAULTS))), max_size=12), st.integers(0, 3))
def test_counts_add_up_and_exactly_the_guilty_go(
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
    verdict = rules.judge(folder, scan.scan(folder), 32)
    counts = verdict.counts()
    assert counts["files"] == len(list(folder.iterdir()))
    assert counts["files"] == counts["accepted"] + counts["quarantined"] + counts["ignored"]
    assert counts["ignored"] == system
    assert sorted(set(verdict.accepted["student"])) == students[len(planted) :]
    assert sorted(verdict.reasons) == students[: len(planted)]
    assert counts["quarantined_students"] == len(planted)
