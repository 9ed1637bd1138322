"""Validation of a batch: all errors are reported at once; the batch fails, or students are quarantined.

A student is accepted with six photos or quarantined with all of them, since a pair with one shoe is no pair. Two
students with the same photo are both quarantined, since the photo may belong to either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any

import pandas as pd
from threadpoolctl import threadpool_limits

from shoepair.data import naming
from shoepair.data.schemas import AcceptedPhotos
from shoepair.data.wording import count_with_noun
from shoepair.ingestion import decoding, parallel_decoding, quality
from shoepair.ingestion.config import ValidateConfig
from shoepair.runtime import progress, storage
from shoepair.runtime.errors import ShoepairError


@dataclass(frozen=True)
class ErrorEntry:
    """One error in a batch: where, what, and which students it rejects.

    Args:
        location: the file, as its path within the batch, or the student.
        message: what was found and what was expected.
        students: students to quarantine; empty for a file without a student id in its name.
    """

    location: str
    message: str
    students: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.location}: {self.message}"


@dataclass(frozen=True)
class ValidationResult:
    """Result of validating a batch. Files in = accepted + quarantined + ignored.

    Args:
        manifest: all `Manifest` rows.
        accepted: `AcceptedPhotos` rows.
        errors: all errors.
        remark_counts: remark of decoding -> number of accepted photos.
        image_stats: `ImageStats` rows of the accepted photos.
        flagged_paths: flag -> accepted photos.
    """

    manifest: pd.DataFrame
    accepted: pd.DataFrame
    errors: list[ErrorEntry]
    remark_counts: dict[str, int]
    image_stats: pd.DataFrame
    flagged_paths: dict[str, list[str]]

    @property
    def errors_by_student(self) -> dict[str, list[str]]:
        """Each quarantined student, or file without a student id -> its error messages."""
        messages: dict[str, list[str]] = {}
        for error in self.errors:
            for name in error.students or (error.location,):
                messages.setdefault(name, []).append(str(error))
        return dict(sorted(messages.items()))

    def count_files(self) -> dict[str, int]:
        """Count files, accepted, quarantined and ignored files, and accepted and quarantined students."""
        ignored = int(self.manifest["ignored"].sum())
        return {
            "files": len(self.manifest),
            "accepted": len(self.accepted),
            "quarantined": len(self.manifest) - len(self.accepted) - ignored,
            "ignored": ignored,
            "students": self.accepted["student"].nunique(),
            "quarantined_students": len({name for error in self.errors for name in error.students}),
        }

    def __str__(self) -> str:
        counts = self.count_files()
        remarks = "".join(f"; {count} {remark}" for remark, count in self.remark_counts.items())
        flags = "".join(f"; {len(paths)} {flag}" for flag, paths in self.flagged_paths.items())
        total = f"{counts['accepted']} accepted + {counts['quarantined']} quarantined + {counts['ignored']} ignored"
        return f"{count_with_noun(counts['files'], 'file')} = {total}{remarks}{flags}"

    def build_report(self, batch: str) -> dict[str, Any]:
        """Build the validation report of the batch as a JSON-ready dictionary."""
        return {
            "batch": batch,
            **self.count_files(),
            "changed": self.remark_counts,
            "flags": self.flagged_paths,
            "reasons": self.errors_by_student,
        }


def validate_batch(
    folder: Path, manifest: pd.DataFrame, edge: int, policy: ValidateConfig | None = None
) -> ValidationResult:
    """Validate a batch: decode all photos, collect errors and quality flags, select accepted photos.

    Args:
        folder: the photos of the batch.
        manifest: `Manifest` rows.
        edge: of a stored photo, in pixels.
        policy: thresholds of quality flags; without it, no photo is flagged.
    """
    photos = manifest[~manifest["ignored"] & manifest["error"].isna()]
    decode_errors: dict[str, str] = {}
    remarks: dict[str, tuple[str, ...]] = {}
    stats: dict[str, dict[str, Any]] = {}
    results = parallel_decoding.imap_decoded_photos_or_errors(
        storage.list_photo_files(folder, photos), edge, _measure_photo
    )
    tracked = progress.track(results, f"check {folder.name}", "photo", len(photos))
    with threadpool_limits(1):  # of matrix operations: the photos use all threads already
        for path, result in zip(photos["path"], tracked, strict=True):
            if isinstance(result, naming.PhotoError):
                decode_errors[path] = str(result)
            else:
                remarks[path], stats[path] = result
    errors = find_errors(manifest, decode_errors)
    rejected = {name for error in errors for name in error.students}
    locations = {error.location for error in errors}
    clean = manifest[~manifest["ignored"] & ~manifest["student"].isin(rejected) & ~manifest["path"].isin(locations)]
    accepted = select_accepted_photo_rows(clean)
    remark_counts = Counter(remark for path in accepted["path"] for remark in remarks[path])
    image_stats = quality.build_image_stats(accepted, stats)
    flags = quality.photo_paths_by_flag(image_stats, policy, edge) if policy else {}
    return ValidationResult(manifest, accepted, errors, dict(sorted(remark_counts.items())), image_stats, flags)


def _measure_photo(photo: decoding.DecodedPhoto) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Return a photo's remarks and its `ImageStats` columns."""
    _limit_to_one_thread()
    return photo.remarks, quality.measure_image_stats(photo)


@cache
def _limit_to_one_thread() -> None:
    """Limit matrix operations to one thread, as in `validate_batch`, once in each worker process."""
    threadpool_limits(1)


def validate_batch_or_raise(
    batch: str,
    folder: Path,
    manifest: pd.DataFrame,
    edge: int,
    policy: ValidateConfig | None = None,
    *,
    location: str = "",
    correction: str = "correct the files, then run `dvc repro`",
) -> ValidationResult:
    """Validate a batch, as `validate_batch`; raise its errors unless the policy allows quarantining students.

    Without a policy, any error rejects the batch.

    Args:
        batch: its name.
        folder: the photos of the batch.
        manifest: `Manifest` rows.
        edge: of a stored photo, in pixels.
        policy: see `validate_batch`.
        location: what messages call the folder; by default its path.
        correction: what to do about errors.

    Raises:
        ShoepairError: lists every error of the batch.
    """
    result = validate_batch(folder, manifest, edge, policy)
    if not result.errors:
        return result
    problems = [str(error) for error in result.errors]
    counts = result.count_files()
    quarantined, accepted = counts["quarantined_students"], counts["students"]
    if policy is None or policy.on_invalid == "fail":
        outcome = f"nothing of batch {batch!r} was accepted"
        fix = f"{correction}; or set `validate.on_invalid: quarantine` to go on without them"
    elif not accepted or quarantined > policy.max_quarantined * (quarantined + accepted):
        outcome = f"{quarantined} of {quarantined + accepted} students of batch {batch!r} would be quarantined"
        fix = f"{correction}; `validate.max_quarantined` allows a share of {policy.max_quarantined}"
    else:
        return result
    message = f"{location or folder}: {count_with_noun(len(problems), 'problem')}, {outcome}"
    raise ShoepairError(message, problems=problems, fix=fix)


def select_accepted_photo_rows(clean_manifest: pd.DataFrame) -> pd.DataFrame:
    """Select the photos from `Manifest` rows without errors, in store order, as `AcceptedPhotos` rows."""
    photos = clean_manifest[~clean_manifest["ignored"]]
    return photos.sort_values(["student", "pair", "side"])[list(AcceptedPhotos.to_schema().columns)]


def find_errors(manifest: pd.DataFrame, decode_errors: Mapping[str, str]) -> list[ErrorEntry]:
    """Find all errors in one batch, sorted by file or student.

    Args:
        manifest: `Manifest` rows.
        decode_errors: path -> reason, for files that cannot be decoded.
    """
    files: list[Any] = list(
        manifest[~manifest["ignored"]].itertuples()
    )  # in Python: faster than a table for each student
    photos = [file for file in files if not isinstance(file.error, str)]
    reasons = {file.path: file.error for file in files} | dict(decode_errors)
    errors = [
        ErrorEntry(path, reason, _extract_student_ids([path]))
        for path, reason in reasons.items()
        if isinstance(reason, str)
    ]
    errors += _find_identical_files(files)
    errors += _find_students_of_one_number(photos)
    for student, photos_of_student in _group_by(photos, attrgetter("student")).items():
        errors += [ErrorEntry(student, text, (student,)) for text in _find_student_errors(photos_of_student)]
    return sorted(errors, key=str)


def _group_by(rows: Iterable[Any], key: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    """Return each key -> its rows, keys ascending."""
    groups: dict[Any, list[Any]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return dict(sorted(groups.items()))


def _extract_student_ids(file_paths: Iterable[str]) -> tuple[str, ...]:
    """Return the student ids in these files' names, also in names that break the grammar."""
    ids = {naming.extract_student_id(path.rpartition("/")[2]) for path in file_paths}
    return tuple(sorted(ids - {""}))


def _find_identical_files(files: Iterable[Any]) -> Iterator[ErrorEntry]:
    """Yield an error for each group of files with the same content: all names but one must be wrong."""
    for group in _group_by((file for file in files if isinstance(file.sha256, str)), attrgetter("sha256")).values():
        if len(group) > 1:
            first, *others = sorted(file.path for file in group)
            text = f"same content as {', '.join(others)}"
            yield ErrorEntry(first, text, _extract_student_ids(file.path for file in group))


def _find_students_of_one_number(photos: Iterable[Any]) -> Iterator[ErrorEntry]:
    """Yield an error for students like u2 and u002: one person under two ids could get into two splits."""
    for group in _group_by(photos, lambda photo: naming.strip_leading_zeros(photo.student)).values():
        students = _group_by(group, attrgetter("student"))
        if len(students) > 1:
            first, *others = [
                f"{student} ({', '.join(dict.fromkeys(photo.subset for photo in photos_of_student))})"
                for student, photos_of_student in students.items()
            ]
            text = f"the same number as {', '.join(others)}, expected one way to write each student's number"
            yield ErrorEntry(first, text, tuple(students))


def _find_student_errors(photos: list[Any]) -> Iterator[str]:
    """Yield the errors of one student's photos."""
    subsets = sorted({photo.subset for photo in photos})
    if len(subsets) > 1:
        yield f"in the subsets {' and '.join(subsets)}, expected one"
        return  # further errors would only follow from this one
    keys = [(int(photo.pair), str(photo.side)) for photo in photos]
    if len(keys) != len(naming.SHOE_KEYS) or set(keys) != set(naming.SHOE_KEYS):
        yield f"{count_with_noun(len(keys), 'photo')}, expected 6 ({_describe_missing_and_repeated(keys)})"
    for pair, shoes in _group_by(photos, attrgetter("pair")).items():
        if len({shoe.category for shoe in shoes}) > 1:
            yield f"pair {pair} is both m and w, expected one category"
    expected = naming.CATEGORY_BY_TEST_SPLIT.get(subsets[0])
    for photo in photos:
        if expected and photo.category != expected:
            yield f"{photo.path} is of category {photo.category}, expected only {expected} in {subsets[0]}"


def _describe_missing_and_repeated(shoe_keys: list[tuple[int, str]]) -> str:
    """Return which of the six photos are missing and which are repeated."""
    missing = [f"pair {pair} {side}" for pair, side in naming.SHOE_KEYS if (pair, side) not in shoe_keys]
    repeated = [f"pair {pair} {side}" for pair, side in naming.SHOE_KEYS if shoe_keys.count((pair, side)) > 1]
    parts = [("missing", missing), ("more than once", repeated)]
    return "; ".join(f"{problem}: {', '.join(shoes)}" for problem, shoes in parts if shoes)
