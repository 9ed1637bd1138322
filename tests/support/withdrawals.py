"""An independent search for a withdrawn student: it shares no code with the project's own."""

from __future__ import annotations

import hashlib
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

GONE = "u005"
PURGE = (sys.executable, "-m", "shoepair", "forget", "--purge")  # not preloaded: it has its own temporary folder
ID = re.compile(rb"(?<![A-Za-z0-9])u005(?![0-9])", re.IGNORECASE)


def isolate(patch: pytest.MonkeyPatch, folder: Path) -> tuple[Path, Path]:
    """Give a test temporary folders and a site cache of DVC of its own; return both."""
    temporary, site_cache = folder / "temporary", folder / "site-cache"
    temporary.mkdir()
    patch.setenv("TMPDIR", str(temporary))
    patch.setenv("RAY_TMPDIR", str(temporary))
    patch.setenv("DVC_SITE_CACHE_DIR", str(site_cache))
    return temporary, site_cache


class Searcher:
    """Knows the photos of the student, and everything in their stores and pages, from before the withdrawal."""

    def __init__(self, project: Path, batch: str = "tiny") -> None:
        photos = sorted((project / "data/raw" / batch).rglob(f"{GONE}_*"))
        assert len(photos) == 6
        self.photos = [path.read_bytes() for path in photos]
        digests = [hashlib.new(kind, photo).hexdigest() for photo in self.photos for kind in ("md5", "sha256")]
        self.marks = [*self.photos, *(digest.encode() for digest in digests)]
        store = project / "data/store" / f"{batch}.h5"
        if store.is_file():
            with h5py.File(store) as file:
                pixels = file["images"][list(file["student"][:]).index(GONE.encode())]
            floats = (pixels.astype(np.float32) - np.float32(127.5)) / np.float32(255)
            self.marks += [pixels[pair, side].tobytes() for pair in range(3) for side in range(2)]
            self.marks += [floats[pair, side].tobytes() for pair in range(3) for side in range(2)]
        sheets = project / "reports/photos" / batch
        if sheets.is_dir():
            pairs = pd.read_parquet(sheets / "pairs.parquet")
            theirs = pairs[pairs["student"] == GONE]
            self.marks += [(sheets / f"{GONE}.jpg").read_bytes(), *theirs["left_photo"], *theirs["right_photo"]]

    def holds(self, content: bytes) -> bool:
        """Whether a content has the student's photos, digests, pixels or id in it."""
        if any(mark in content for mark in self.marks):
            return True
        if content.startswith(b"PAR1"):
            text = pd.read_parquet(io.BytesIO(content)).to_csv().encode()
            return ID.search(text) is not None or any(mark in text for mark in self.marks[6:])
        if content.startswith((b"\x89PNG", b"\xff\xd8\xff")):
            return False
        return ID.search(content) is not None

    def find(self, *folders: Path) -> Iterator[Path]:
        """Yield every file in these folders that holds the student, or is named like a photo of theirs."""
        for folder in folders:
            for path in sorted(folder.rglob("*")):
                if path.is_file() and (ID.search(path.name.encode()) or self.holds(path.read_bytes())):
                    yield path
