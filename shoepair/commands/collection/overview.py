"""Overview of the listed batches: students and photos, from file names.

Where contents must be compared, only files of equal length are read, so a new batch is compared with a class of any
size without reading the class.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from shoepair.data import json_schemas, naming, parquet_files, schemas
from shoepair.data.wording import count_with_noun
from shoepair.ingestion import file_manifest, ignored_files, splits, validation
from shoepair.ingestion.config import NormalizeConfig, ValidateConfig
from shoepair.runtime import file_digests, json_files, params, paths
from shoepair.runtime.batches import load_batch_lists
from shoepair.runtime.errors import ShoepairError

PHOTO_COLUMNS = ["path", "student", "category", "bytes", "sha256"]


def list_photo_rows(batch: str, sizes_to_hash: Collection[int] = ()) -> pd.DataFrame | None:
    """List the photos of a batch by file name, from the folder or else from the manifest; None without either.

    Args:
        batch: a listed batch.
        sizes_to_hash: file lengths in bytes; photos of these lengths are read for their digests.

    Returns:
        One row per photo with a valid name: `path` within the batch, `student`, `category`, `bytes`, `sha256` (missing
        if it was not read).
    """
    folder = paths.raw_path(batch)
    if folder.is_dir():
        return pd.DataFrame(list(_named_photos(folder, sizes_to_hash)), columns=PHOTO_COLUMNS).sort_values(
            "path", ignore_index=True
        )
    if paths.manifest_path(batch).is_file():
        rows = parquet_files.read_table(paths.manifest_path(batch), schemas.Manifest)
        return rows.loc[rows["student"].notna(), PHOTO_COLUMNS].reset_index(drop=True)
    return None


def _named_photos(folder: Path, sizes_to_hash: Collection[int]) -> Iterator[dict[str, Any]]:
    for path in file_manifest.iter_files(folder):
        relative_path = path.relative_to(folder)
        if ignored_files.is_ignored(relative_path) or not file_digests.is_file_or_cache_link(path):
            continue
        try:
            name = naming.parse_photo_name(path.name)
        except naming.PhotoError:
            continue
        length = path.stat().st_size
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if length in sizes_to_hash else None
        yield {"path": relative_path.as_posix(), **vars(name), "bytes": length, "sha256": digest}


def list_collision_messages(batch: str, accepted_photos: pd.DataFrame) -> list[str]:
    """Find the students and photos of a new batch that a listed batch has too.

    Args:
        batch: name of the new batch.
        accepted_photos: its `AcceptedPhotos` rows.

    Returns:
        One line per student or photo; a single line for a listed batch with the same photos.

    Raises:
        ShoepairError: the photos of a listed batch are not in this checkout.
    """
    problems = []
    for other in load_batch_lists().batches:
        existing = list_photo_rows(other, set(accepted_photos["bytes"]))
        if existing is None:
            message = f"batch {other!r}: its photos are not in this checkout, so batch {batch!r} cannot be compared"
            raise ShoepairError(message, fix="run `dvc pull`, or `dvc repro` if it is a synthetic class")
        if len(existing) == len(accepted_photos) and existing["sha256"].isin(accepted_photos["sha256"]).all():
            problems.append(f"all {count_with_noun(len(accepted_photos), 'photo')}: the batch equals {other!r}")
        else:
            problems += splits.find_batch_overlaps({other: existing, batch: accepted_photos})
    return problems


def validation_result_by_batch() -> dict[str, validation.ValidationResult]:
    """Validate every listed batch whose photos are in this checkout; return the results by batch.

    Raises:
        ShoepairError: there are no photos of any listed batch.
    """
    edge, policy = params.load(NormalizeConfig).edge, params.load(ValidateConfig)
    present = [batch for batch in load_batch_lists().batches if paths.raw_path(batch).is_dir()]
    if not present:
        message = f"{paths.RAW_FOLDER}: no photos of any listed batch"
        raise ShoepairError(message, fix="run `dvc pull`, or `dvc repro` for a synthetic class")
    return {
        batch: validation.validate_batch(
            paths.raw_path(batch), file_manifest.build_manifest(paths.raw_path(batch)), edge, policy
        )
        for batch in present
    }


def batch_overview_rows() -> pd.DataFrame:
    """Count students, photos, quarantined students and bytes of every listed batch.

    Returns:
        One row per batch: `batch`, `source` (drawn: a synthetic class; added), `students`, `photos`; students with
        men's shoes only (`men`), women's only (`women`) and `both`, who are all students; `quarantined` (students),
        `bytes`. A number is missing if the photos are not in this checkout, or the stage that counts it has not run.
    """
    listed = load_batch_lists()
    rows = []
    for batch in listed.batches:
        row: dict[str, Any] = {"batch": batch, "source": "drawn" if batch in listed.synthetic_classes else "added"}
        photos = list_photo_rows(batch)
        if photos is not None:
            row |= {
                "students": photos["student"].nunique(),
                "photos": len(photos),
                "bytes": int(photos["bytes"].sum()),
            }
            men, women = (set(photos.loc[photos["category"] == name, "student"]) for name in naming.CATEGORIES)
            row |= {"men": len(men - women), "women": len(women - men), "both": len(men & women)}
        if paths.validation_report_path(batch).is_file():
            report = json_files.read_json(
                paths.validation_report_path(batch), "run `dvc repro`", json_schemas.ValidationReport
            )
            row |= {"quarantined": report["quarantined_students"]}
        rows.append(row)
    columns = ["batch", "source", "students", "photos", "men", "women", "both", "quarantined", "bytes"]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[2:], "Int64"))


def rows_as_json(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Convert the rows of `batch_overview_rows` to dictionaries for JSON; a missing number is None."""
    return [
        {str(name): None if pd.isna(value) else value for name, value in row.items()}
        for row in rows.to_dict("records")
    ]
