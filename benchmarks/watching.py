"""Run a command in another process; measure its time and the memory of it and its workers."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class ProcessCost:
    """Time, memory and output of a command.

    Args:
        seconds: wall clock time.
        core_seconds: processor time of all processes that it waited for; other load changes it least.
        pss_mb: maximum of all processes together (PSS, which counts shared pages once), in MiB.
        largest_mb: maximum of a single process (RSS), in MiB.
        output: its stdout.
    """

    seconds: float
    core_seconds: float
    pss_mb: int
    largest_mb: int
    output: str


def run_measured(
    arguments: Sequence[str], folder: Path, variables: Mapping[str, str] | None = None, interval: float = 0.2
) -> ProcessCost:
    """Run a Python program of this project; return its cost. If it fails, exit with its status.

    Args:
        arguments: what follows `python`.
        folder: its working directory.
        variables: additional environment variables.
        interval: seconds between two readings of its memory; a reading takes longer the more memory it holds.
    """
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | dict(variables or {})
    start, before = time.perf_counter(), _child_seconds()
    with subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, text=True, cwd=folder, env=environment
    ) as process:
        total = largest = 0
        while process.poll() is None:
            memory = [_memory(member) for member in _process_tree(process.pid)]
            total = max(total, sum(pss for pss, _ in memory))
            largest = max(largest, *(rss for _, rss in memory), 0)
            time.sleep(interval)
        seconds = time.perf_counter() - start
        assert process.stdout is not None
        output = process.stdout.read()
    if process.returncode:
        sys.exit(process.returncode)
    return ProcessCost(seconds, _child_seconds() - before, round(total / 2**20), round(largest / 2**20), output)


def _child_seconds() -> float:
    """Return the processor seconds of the ended children and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _process_tree(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _memory(process: psutil.Process) -> tuple[int, int]:
    """Return PSS (RSS where the system has no PSS) and RSS in bytes; 0 of a process that has ended."""
    try:
        info = process.memory_full_info()
    except psutil.Error:
        return 0, 0
    return int(getattr(info, "pss", info.rss)), int(info.rss)
