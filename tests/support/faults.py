"""Faults in the photos of a student, applied to files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def rename(path: Path, old: str, new: str) -> None:
    path.rename(path.with_name(path.name.replace(old, new, 1)))


def link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/hostname")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def flip(path: Path) -> None:
    """Change one byte, but not size and time, so that DVC does not notice."""
    times = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


# Each takes a student's six photos and applies one fault.
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
