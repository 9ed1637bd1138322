"""Measures of students, kept from one run of stage `suspects` to the next: the photos of a batch are measured once.

Kept are the arrays of `label_issues.measure_student`, a file for each batch, with the digests of all that they were
made from: the store, the code, the parameters and the versions of libraries. Where one differs, the batch is measured
again, and so are its measures if their file is not as it was written. The file of a removed batch is deleted.

Layout of a file, before its checksum (`checked_files`):

    line           digest of what the measures were made from
    float64        little-endian, for each array of `MEASURE_SHAPES` all students one after the other
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shoepair.data import photo_loading
from shoepair.evaluation import label_issues
from shoepair.evaluation.label_issues import MEASURE_SHAPES
from shoepair.runtime import checked_files, paths, progress, stage_inputs

CLASS_FILES = (paths.SPLIT, paths.STORE_FOLDER)  # of the whole class: of a batch, the store and the students count

Array = NDArray[np.float64]


def iter_measures(students: pd.DataFrame) -> Iterator[Mapping[str, Array]]:
    """Yield the measures of students (`StudentSplits` rows, batch by batch) in row order; measure new batches."""
    _delete_others(set(students["batch"]))
    digests = stage_inputs.current().complete_digests()
    for batch, rows in students.groupby("batch", sort=False):
        path, key = paths.kept_measures_path(str(batch)), _make_key(str(batch), rows, digests)
        arrays = _read_arrays(path, key, len(rows)) if key else None
        if arrays is None:
            arrays = _measure_batch(str(batch), rows)
            if key:
                stage_inputs.current().check_files()
                numbers = [np.asarray(values, "<f8", copy=None).data for values in arrays.values()]
                checked_files.write_checked(path, b"".join([key.encode(), b"\n", *numbers]))  # copied once
        for row in range(len(rows)):
            yield {name: values[row] for name, values in arrays.items()}


def _measure_batch(batch: str, rows: pd.DataFrame) -> dict[str, Array]:
    """Measure the students of a batch; return an array of all of them by name."""
    arrays = {name: np.empty((len(rows), *shape)) for name, shape in MEASURE_SHAPES.items()}
    photos = progress.track(photo_loading.iter_student_photos(rows), f"suspects {batch}", "student", len(rows))
    for number, six_photos in enumerate(photos):
        for name, values in label_issues.measure_student(six_photos).items():
            arrays[name][number] = values
    return arrays


def _make_key(batch: str, rows: pd.DataFrame, digests: Mapping[str, str]) -> str:
    """Return a digest of all that a batch's measures are made from; "" where that is not known: outside of a stage."""
    inputs = stage_inputs.current()
    store = inputs.digests.get(paths.store_path(batch).as_posix())
    if store is None:
        return ""
    code = {name: digest for name, digest in digests.items() if Path(name) not in CLASS_FILES}
    values = {path.as_posix(): values for path, values in inputs.values.items()}
    students = rows[["row", "student"]].to_numpy().tolist()
    parts = json.dumps([store, students, code, values], sort_keys=True)
    return hashlib.blake2b(parts.encode(), digest_size=32).hexdigest()


def _read_arrays(path: Path, key: str, count: int) -> dict[str, Array] | None:
    """Return the kept arrays; None, with a line, if the file is of other inputs, or not as it was written."""
    content = checked_files.read_checked(path)
    if content is None:
        if path.exists():
            progress.print_above_bar(f"{path}: damaged; batch {path.name!r} is measured again")
        return None
    head = key.encode() + b"\n"
    if not content.startswith(head):
        progress.print_above_bar(f"{path}: of other photos or code; batch {path.name!r} is measured again")
        return None
    arrays, start = {}, len(head)
    for name, shape in MEASURE_SHAPES.items():  # views: a class of ten thousand is 134 MB
        size = count * int(np.prod(shape))
        arrays[name] = np.frombuffer(content, "<f8", size, start).reshape(count, *shape)
        start += 8 * size
    return arrays


def _delete_others(batches: set[str]) -> None:
    """Delete the files of batches that are no longer in the class."""
    for path in paths.KEPT_MEASURES_FOLDER.glob("*"):
        if path.name not in batches:
            path.unlink()
