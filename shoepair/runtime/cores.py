"""The number of CPU cores that this process may use."""

from __future__ import annotations

import joblib


def count_cores() -> int:
    """How many cores this process may use, 1 or more.

    The least of the machine's, those of the process's affinity, the quota of its container (cgroup v2 `cpu.max`, v1
    `cpu.cfs_quota_us`, rounded up) and the environment variable LOKY_MAX_CPU_COUNT.
    """
    return int(joblib.cpu_count())
