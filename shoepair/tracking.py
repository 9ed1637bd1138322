"""The photos of a batch under DVC: `data/raw/<batch>.dvc`, which git keeps in their stead."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError


def file(batch: str) -> Path:
    """The file that holds the digest of a batch's photos; a sample class has none."""
    return paths.raw(batch).with_name(f"{batch}.dvc")


def add(batch: str) -> None:
    """Have DVC record the photos of a batch as they are now.

    Raises:
        ShoepairError: DVC refused.
    """
    raw = paths.raw(batch)
    done = _dvc("add", "--quiet", str(raw))
    if done.returncode:
        found = f"{raw}: `dvc add` failed"
        raise ShoepairError(found, problems=done.stderr.splitlines(), fix="run it by hand to see why")


def is_changed(batch: str) -> bool:
    """Whether photos differ from what DVC recorded, so that deleting them would lose something."""
    return _dvc("status", "--quiet", f"{file(batch)}").returncode != 0


def _dvc(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "dvc", *words], capture_output=True, text=True, check=False)
