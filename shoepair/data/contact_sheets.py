"""Contact sheets: the photos of a batch as files that browsers and programs read, in one folder.

    <student>.jpg    the six photos of a student: a column per pair, left shoes above right ones; edge E each
    pairs.parquet    a row per left and right shoe of a student, nine per student, with both photos as JPEG files

E is the edge of the photos in the store, 224 pixels at most: a sheet is looked at, not measured. The table has each
photo three times; Parquet's dictionaries store it once per row group. The same store gives the same bytes.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
from numpy.typing import NDArray
from PIL import Image

from shoepair.data import naming
from shoepair.data.schemas import DIFFERENT, SAME
from shoepair.data.store import Store
from shoepair.runtime import atomic_files, paths, progress

MAX_EDGE = 224  # of a photo on a sheet, pixels
JPEG_QUALITY = 80
PAIRS_FILE = "pairs.parquet"
STUDENTS_PER_ROW_GROUP = 64
MAX_DICTIONARY_BYTES = 2**26  # of a column of a row group: more than its photos have, or they would be stored thrice
PAIR_COLUMNS = arrow.schema(
    [
        ("batch", arrow.string()),
        ("student", arrow.string()),
        ("left", arrow.int8()),  # pair of the left shoe
        ("right", arrow.int8()),  # pair of the right shoe
        ("same", arrow.int8()),
        ("left_photo", arrow.binary()),  # a JPEG file
        ("right_photo", arrow.binary()),
    ]
)


def write_sheets(batch: str, folder: Path) -> tuple[int, int]:
    """Write the sheets and pairs of a batch into a new folder, which replaces an old one; return students and bytes.

    Raises:
        ShoepairError: the store is missing or damaged.
    """
    part = folder.with_name(f".{folder.name}{atomic_files.PARTIAL_SUFFIX}")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    with (
        Store(paths.store_path(batch)) as store,
        parquet.ParquetWriter(
            part / PAIRS_FILE,
            PAIR_COLUMNS,
            compression={column: "NONE" if column.endswith("photo") else "SNAPPY" for column in PAIR_COLUMNS.names},
            dictionary_pagesize_limit=MAX_DICTIONARY_BYTES,
            store_schema=False,
            write_statistics=False,  # they would hold two more photos per page
        ) as writer,
    ):
        students = store.student_ids
        rows: list[dict[str, Any]] = []
        for row, student in progress.track(enumerate(students), f"sheets {batch}", "student", len(students)):
            photos = _shrink_photos(store.read_students([row])[0])
            (part / f"{student}.jpg").write_bytes(jpeg_bytes(draw_sheet_image(photos)))
            rows += _iter_pair_rows(batch, student, photos)
            if (row + 1) % STUDENTS_PER_ROW_GROUP == 0 or row + 1 == len(students):
                writer.write_table(arrow.Table.from_pylist(rows, PAIR_COLUMNS))
                rows = []
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    return len(students), sum(file.stat().st_size for file in folder.iterdir())


def _shrink_photos(photos: NDArray[np.uint8]) -> list[list[Image.Image]]:
    """Return the photos of a student, (3, 2, S, S, 3), as images of at most `MAX_EDGE`, by pair and side."""
    images = [[Image.fromarray(photo) for photo in pair] for pair in photos]
    edge = min(MAX_EDGE, photos.shape[2])
    if edge == photos.shape[2]:
        return images
    return [[image.resize((edge, edge), Image.Resampling.LANCZOS) for image in pair] for pair in images]


def draw_sheet_image(photos: list[list[Image.Image]]) -> Image.Image:
    """Join the six photos of a student: a column per pair, the left shoe above the right one."""
    edge = photos[0][0].width
    sheet = Image.new("RGB", (len(photos) * edge, len(naming.SIDES) * edge))
    for column, line in product(range(len(photos)), range(len(naming.SIDES))):
        sheet.paste(photos[column][line], (column * edge, line * edge))
    return sheet


def jpeg_bytes(image: Image.Image) -> bytes:
    """Encode an image as JPEG; the same pixels give the same bytes."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return file.getvalue()


def _iter_pair_rows(batch: str, student: str, photos: list[list[Image.Image]]) -> Iterator[dict[str, Any]]:
    """Yield the nine pairs of a student's left and right shoes."""
    files = [[jpeg_bytes(photo) for photo in pair] for pair in photos]
    for left, right in product(naming.PAIR_NUMBERS, naming.PAIR_NUMBERS):
        yield {
            "batch": batch,
            "student": student,
            "left": left,
            "right": right,
            "same": SAME if left == right else DIFFERENT,
            "left_photo": files[left - 1][0],
            "right_photo": files[right - 1][1],
        }
