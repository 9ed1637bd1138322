"""The number of CPU cores that this process may use.

`joblib.cpu_count` tells it too, but no module may import joblib, which unpickles (tests/unit/test_code.py).
"""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")  # as a container sees its own


def count_cores() -> int:
    """How many cores this process may use, 1 or more: by its affinity, and by the quota of its container."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, _quota() or cores))


def _quota() -> int | None:
    """Cores that the control group may use, rounded up; None where it has no quota.

    Version 2 has "<quota or max> <period>" in `cpu.max`; version 1 two files, and a quota of -1 for none.
    """
    one = [CGROUP / "cpu" / f"cpu.cfs_{name}_us" for name in ("quota", "period")]
    for files in ([CGROUP / "cpu.max"], one):
        if all(file.is_file() for file in files):
            quota, period = " ".join(file.read_text() for file in files).split()
            return None if quota in {"max", "-1"} else math.ceil(int(quota) / int(period))
    return None
