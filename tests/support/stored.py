"""Two small batches in stores, with the pairs of their students."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd

from shoepair.data import pairs, schemas, store, tables
from shoepair.runtime import libraries, paths
from support.field import ROOT


def write_two_batches(edge: int = 32) -> pd.DataFrame:
    """The pairs of seven students in two batches, their stores in the current directory."""
    shutil.copyfile(ROOT / libraries.TABLE, libraries.TABLE)
    rng = np.random.default_rng(5)
    split = []
    for batch, count in (("a", 4), ("b", 3)):
        students = [f"u{batch == 'b':d}{number}" for number in range(count)]
        store.write(paths.store(batch), students, rng.integers(0, 256, (count, 3, 2, edge, edge, 3), np.uint8), edge)
        split += [(batch, student, row, "train") for row, student in enumerate(students)]
    frame = pd.DataFrame(split, columns=["batch", "student", "row", "split"])
    tables.write(paths.SPLIT, frame, schemas.Split)
    return pairs.build(frame)
