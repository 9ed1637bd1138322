"""What killed commands leave behind, put right: an empty dvc.lock, half-written files, a half-added batch.

DVC writes dvc.lock in place, so a kill in that moment leaves it empty and every later command fails on it. The last
commit has one; what was done since comes back from DVC's cache of runs.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from shoepair import arrival, paths, records
from shoepair.errors import ShoepairError

WRITTEN = ("data", "models", "plots", "reports", "metrics", "checkpoints")  # where stages write


def repair() -> list[str]:
    """Put right what can be put right without losing anything.

    Returns:
        One line for each thing done; none if there was nothing to do.

    Raises:
        ShoepairError: another command is at work.
    """
    done = [arrival.recover(), _lock()]
    return [*filter(None, done), *_sweep()]


def _lock() -> str:
    """dvc.lock as of the last commit, where the one on disk is no lock; without a commit it is made anew."""
    if not records.LOCK.is_file():
        return ""
    try:
        if records.recorded("outs") or records.LOCK.read_bytes().strip():
            return ""
    except ShoepairError:
        pass
    committed = subprocess.run(["git", "show", f"HEAD:{records.LOCK}"], capture_output=True, check=False)
    if committed.returncode:
        records.LOCK.unlink()
        return f"{records.LOCK}: was torn by a kill and is in no commit; deleted, `dvc repro` makes it anew"
    paths.write_text(records.LOCK, committed.stdout.decode())
    return f"{records.LOCK}: was torn by a kill; it is again as in the last commit, `dvc repro` brings it up to date"


def _sweep() -> Iterator[str]:
    """Delete half-written files; no stage ever reads one."""
    for path in sorted(path for folder in WRITTEN for path in Path(folder).rglob(f".*{paths.PART}")):
        path.unlink()
        yield f"{path}: half-written by a killed stage, deleted"
