"""How many cores a process may use: the machine's, its affinity, its container's quota."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest
from joblib.externals.loky.backend import context

from shoepair.runtime.cores import count_cores

V2 = "/sys/fs/cgroup/cpu.max"
V1 = {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us"}


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({V2: "300000 100000"}, 3),
        ({V2: "150000 100000"}, 2),
        ({V2: "10000 100000"}, 1),
        ({V2: "max 100000"}, 8),
        ({"/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "300000", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, 3),
        ({"/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, 8),
        ({}, 8),
    ],
)
def test_quota_of_the_container_counts(files: dict[str, str], cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    there = os.path.exists  # what joblib asks

    def opened(path: Any, *rest: Any, **more: Any) -> Any:
        return io.StringIO(files[path]) if path in files else Path(path).open(*rest, **more)

    monkeypatch.delenv("LOKY_MAX_CPU_COUNT", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(8)), raising=False)
    monkeypatch.setattr(os.path, "exists", lambda path: path in files if path in {V2, *V1} else there(path))
    monkeypatch.setattr(context, "open", opened, raising=False)
    assert count_cores() == cores
