"""A command run in a process of its own: how long it takes, and what it and its workers hold in memory."""

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
class Watched:
    """What a command took.

    Args:
        seconds: by the clock.
        core_seconds: of processor time, of all of its processes that it waited for: what other work on the machine
            changes least.
        pss_mb: the most that all of its processes held together (PSS, which counts what they share once), in MiB.
        largest_mb: the most that any one of its processes held (RSS), in MiB.
        output: what it wrote to stdout.
    """

    seconds: float
    core_seconds: float
    pss_mb: int
    largest_mb: int
    output: str


def watched(
    words: Sequence[str], folder: Path, variables: Mapping[str, str] | None = None, every: float = 0.2
) -> Watched:
    """Run a Python program of this project.

    Args:
        words: what follows `python`.
        folder: where it runs.
        variables: of the environment, added to this process's own.
        every: seconds between two looks at its memory; a look takes longer the more it holds.

    Returns:
        What it took. A program that fails ends this one too, with its own words.
    """
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | dict(variables or {})
    start, before = time.perf_counter(), _children()
    with subprocess.Popen(
        [sys.executable, *words], stdout=subprocess.PIPE, text=True, cwd=folder, env=environment
    ) as process:
        together = largest = 0
        while process.poll() is None:
            held = [_memory(each) for each in _family(process.pid)]
            together = max(together, sum(pss for pss, _ in held))
            largest = max(largest, *(rss for _, rss in held), 0)
            time.sleep(every)
        seconds = time.perf_counter() - start
        assert process.stdout is not None
        output = process.stdout.read()
    if process.returncode:
        sys.exit(process.returncode)
    return Watched(seconds, _children() - before, round(together / 2**20), round(largest / 2**20), output)


def _children() -> float:
    """Processor seconds of the children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _family(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _memory(process: psutil.Process) -> tuple[int, int]:
    """PSS (where a system does not tell it, RSS) and RSS in bytes; nothing of a process that is no more."""
    try:
        info = process.memory_full_info()
    except psutil.Error:
        return 0, 0
    return int(getattr(info, "pss", info.rss)), int(info.rss)
