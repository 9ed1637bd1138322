"""The versions that results follow from, compared with what is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from support.field import edit

from shoepair.runtime import library_versions


def start(*words: str) -> subprocess.CompletedProcess[str]:
    """A stage as DVC starts it."""
    return subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, check=False)


def test_stage_refuses_another_version_in_one_line_and_writes_nothing(project: Path) -> None:
    edit(project / "pyproject.toml", 'pyarrow = "', 'pyarrow = "9')
    done = start("stages.ingest", "tiny")
    number = library_versions.installed_version("pyarrow")
    assert done.returncode == 1
    assert done.stderr == (
        f"error: pyarrow {number} is installed, expected 9{number} (pyproject.toml): "
        "run `python -m pip install --requirement requirements.lock`\n"
    )
    assert not (project / "data/manifest").exists()


def test_stage_starts_with_another_version_of_what_it_does_not_use(project: Path) -> None:
    for name in ("torch", "scikit-learn", "matplotlib"):
        edit(project / "pyproject.toml", f'{name} = "', f'{name} = "9')
    done = start("stages.ingest", "tiny")
    assert (done.returncode, done.stderr) == (0, "")
