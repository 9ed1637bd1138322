"""Two small batches in stores, with the pairs or the splits of their students."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd

from shoepair.data import pairs, parquet_files, schemas, store
from shoepair.runtime import library_versions, paths
from support.field import ROOT

PIXELS = np.random.default_rng(11).integers(0, 256, (6, 3, 2, 16, 16, 3), np.uint8)
IN_STORE = {"a": [0, 1, 2], "b": [3, 4, 5]}  # batch -> its students, as rows of PIXELS


def write_two_batches(edge: int = 32) -> pd.DataFrame:
    """Write the stores of two batches into the current directory; return the pairs of their seven students."""
    shutil.copyfile(ROOT / library_versions.VERSIONS_FILE, library_versions.VERSIONS_FILE)
    rng = np.random.default_rng(5)
    split = []
    for batch, count in (("a", 4), ("b", 3)):
        students = [f"u{batch == 'b':d}{number}" for number in range(count)]
        photos = rng.integers(0, 256, (count, 3, 2, edge, edge, 3), np.uint8)
        store.write_store(paths.store_path(batch), students, photos, edge)
        split += [(batch, student, row, "train") for row, student in enumerate(students)]
    frame = pd.DataFrame(split, columns=["batch", "student", "row", "split"])
    parquet_files.write_table(paths.SPLIT, frame, schemas.StudentSplits)
    return pairs.build_pair_rows(frame)


def write_two_stores() -> None:
    """Write the stores of `IN_STORE` into the current directory."""
    for batch, rows in IN_STORE.items():
        store.write_store(paths.store_path(batch), [f"u{row}" for row in rows], PIXELS[rows], 16)


def write_split(rows: list[tuple[str, int, str]]) -> pd.DataFrame:
    """Write and return `StudentSplits` rows of these batches, rows in their stores, and splits."""
    split = pd.DataFrame(rows, columns=["batch", "row", "split"])
    split.insert(1, "student", [f"u{IN_STORE[batch][row]}" for batch, row, _ in rows])
    parquet_files.write_table(paths.SPLIT, split, schemas.StudentSplits)
    return split
