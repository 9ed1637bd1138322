"""Number of cores a process may use: its affinity and its container's quota."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shoepair.runtime import cores
from shoepair.runtime.errors import ShoepairError


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "300000 100000\n"}, 3),
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "10000 100000\n"}, 1),
        ({"cpu.max": "max 100000\n"}, 8),
        ({"cpu.max": "1600000 100000\n"}, 8),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ({}, 8),
    ],
)
def test_affinity_and_the_quota_of_the_container_count(
    files: dict[str, str], expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(cores, "CGROUP_FOLDER", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(8)), raising=False)
    assert cores.count_cores() == expected
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {5})
    assert cores.count_cores() == 1


def test_system_without_affinity_has_its_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "CGROUP_FOLDER", tmp_path)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert cores.count_cores() == 4


@pytest.mark.parametrize(("share", "expected"), [("1", 1), ("3", 3), ("64", 4), ("", 4)])
def test_share_of_a_stage_beside_others_limits_it(monkeypatch: pytest.MonkeyPatch, share: str, expected: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(4)), raising=False)
    monkeypatch.setattr(cores, "_cgroup_quota", lambda: None)
    monkeypatch.setenv(cores.SHARE_VARIABLE, share)
    assert cores.count_cores() == expected


@pytest.mark.parametrize("share", ["0", "-1", "two"])
def test_share_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch, share: str) -> None:
    monkeypatch.setenv(cores.SHARE_VARIABLE, share)
    with pytest.raises(ShoepairError, match=rf"SHOEPAIR_CORES={share}: expected a number of cores, 1 or more"):
        cores.count_cores()
