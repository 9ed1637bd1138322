"""The number of CPU cores that this process may use.

`joblib.cpu_count` returns it too, but no module may import joblib, which unpickles (tests/unit/test_code.py).
"""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP_FOLDER = Path("/sys/fs/cgroup")  # as seen from within a container


def count_cores() -> int:
    """Return the number of CPU cores this process may use, 1 or more, by its affinity and its container's quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, _cgroup_quota() or cores))


def _cgroup_quota() -> int | None:
    """Return the CPU quota of the control group in cores, rounded up; None if it has none.

    Version 2 has "<quota or max> <period>" in `cpu.max`; version 1 has two files, and a quota of -1 for none.
    """
    version_1 = [CGROUP_FOLDER / "cpu" / f"cpu.cfs_{name}_us" for name in ("quota", "period")]
    for files in ([CGROUP_FOLDER / "cpu.max"], version_1):
        if all(file.is_file() for file in files):
            quota, period = " ".join(file.read_text() for file in files).split()
            return None if quota in {"max", "-1"} else math.ceil(int(quota) / int(period))
    return None
