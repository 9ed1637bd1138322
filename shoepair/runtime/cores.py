"""The number of CPU cores that this process may use.

`shoepair repro` gives each of the stages that it runs at the same time a share of them.
`joblib.cpu_count` returns it too, but no module may import joblib, which unpickles (tests/unit/test_code.py).
"""

from __future__ import annotations

import math
import os
from pathlib import Path

from shoepair.runtime.errors import ShoepairError

SHARE_VARIABLE = "SHOEPAIR_CORES"  # this process's share, 1 or more; no output depends on it
CGROUP_FOLDER = Path("/sys/fs/cgroup")  # as seen from within a container


def count_cores() -> int:
    """Return the number of CPU cores this process may use, 1 or more.

    It follows from the process's affinity, its container's quota, and its share among the stages that run.

    Raises:
        ShoepairError: the share is no number.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, _cgroup_quota() or cores, _read_share() or cores))


def _read_share() -> int | None:
    text = os.environ.get(SHARE_VARIABLE)
    if text and not (text.isdecimal() and int(text)):
        message = f"{SHARE_VARIABLE}={text}: expected a number of cores, 1 or more"
        raise ShoepairError(message, fix="unset it")
    return int(text) if text else None


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
