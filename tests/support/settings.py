"""The settings of a project without photos: params.yaml and data/batches.yaml."""

from __future__ import annotations

import shutil
from pathlib import Path

from shoepair.runtime import paths, project_root
from support.field import EDGE, ROOT, edit


def write_settings(*batches: str, synthetic_classes: tuple[str, ...] = ()) -> None:
    """Write params.yaml, with photos of edge `EDGE`, and data/batches.yaml into the current directory.

    Args:
        batches: all names, in order of arrival.
        synthetic_classes: names of the synthetic classes among them.
    """
    shutil.copyfile(ROOT / paths.PARAMS, paths.PARAMS)
    edit(paths.PARAMS, "edge: 224 ", f"edge: {EDGE} ")
    classes = "".join(f"\n  {name}: {{students: 3, test_students: 1, seed: 1}}" for name in synthetic_classes)
    listed = "".join(f"\n  - {name}" for name in batches)
    write(paths.BATCH_LIST, f"batches:{listed or ' []'}\nsynthetic_classes:{classes or ' {}'}\n")


def mark_as_project() -> None:
    """Write, as far as they are missing, the files by which the current directory is known as a project."""
    for path in project_root.PROJECT_FILES:
        if not path.exists():
            write(path, "")


def write(path: Path, content: str | bytes) -> Path:
    """Write a file, create its folders, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
