"""A project's settings alone: what most commands ask for before they look at photos."""

from __future__ import annotations

import shutil
from pathlib import Path

from shoepair.runtime import paths
from support.field import EDGE, ROOT, edit


def write_settings(*batches: str, samples: tuple[str, ...] = ()) -> None:
    """Write params.yaml, for photos of `EDGE`, and data/batches.yaml into the current directory.

    Args:
        batches: all that are listed, in the order of arrival.
        samples: those of them that are drawn.
    """
    shutil.copyfile(ROOT / paths.PARAMS, paths.PARAMS)
    edit(paths.PARAMS, "edge: 224 ", f"edge: {EDGE} ")
    drawn = "".join(f"\n  {name}: {{students: 3, test_students: 1, seed: 1}}" for name in samples)
    listed = "".join(f"\n  - {name}" for name in batches)
    write(paths.BATCHES, f"batches:{listed or ' []'}\nsamples:{drawn or ' {}'}\n")


def write(path: Path, content: str | bytes) -> Path:
    """Write a file, with the folders that it is in; its path comes back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
