"""What a file that no record names holds of withdrawn students, told from its content.

`THEIRS`: provably theirs. `UNPROVEN`: it may hold them, such as any picture or model. `INNOCENT`: it holds nothing.
"""

from __future__ import annotations

import base64
import hashlib
import mmap
import re
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shoepair.commands.collection.purging.derivation import Origins
from shoepair.commands.collection.purging.records import hash_content
from shoepair.data import naming, parquet_files
from shoepair.data.features_file import FeaturesStudents
from shoepair.data.store import STUDENT_SHAPE, Store
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.file_digests import compute_md5

INNOCENT, UNPROVEN, THEIRS = "innocent", "unproven", "theirs"
TABLE, STORE, ARRAY = b"PAR1", b"\x89HDF", b"\x93NUM"
IMAGES = (b"\x89PNG", b"\xff\xd8\xff", b"RIFF", b"GIF8")
EMBEDDED_IMAGE = re.compile(rb"data:image/[a-z+.-]+;base64,([A-Za-z0-9+/=%]+)")
HEX_DIGITS = re.compile(rb"[0-9a-f]{32,}")


class Verdict(NamedTuple):
    """What a file holds: `INNOCENT`, `UNPROVEN` or `THEIRS`; its kind; for an unproven file also the reason."""

    holds: str
    kind: str
    reason: str = ""


@dataclass
class Evidence:
    """All that is known of the withdrawn students, by which unknown files are judged.

    Args:
        students_by_batch: the withdrawn students.
        origins: the recorded digests that come from them, and the others.
        present_students: students of the version in use, in any batch. A withdrawn student's id may be one of them:
            then a text with this id proves nothing.
        their_stores: stores that hold them, as far as they can be read.
        stores_in_use: the stores of the version in use.
        pages_in_use: the pages of the version in use.
    """

    students_by_batch: Mapping[str, Iterable[str]]
    origins: Origins
    present_students: set[str] = field(default_factory=set)
    their_stores: list[Path] = field(default_factory=list)
    stores_in_use: list[Path] = field(default_factory=list)
    pages_in_use: list[Path] = field(default_factory=list)

    @cached_property
    def students(self) -> set[str]:
        """The ids of the withdrawn students, whatever their batch."""
        return {student for students in self.students_by_batch.values() for student in students}

    @cached_property
    def people(self) -> set[tuple[str, str]]:
        """Batch and id of each withdrawn student."""
        return {(batch, student) for batch, students in self.students_by_batch.items() for student in students}

    @cached_property
    def ids(self) -> re.Pattern[bytes]:
        """Finds an id of a withdrawn student in a text."""
        ids = b"|".join(re.escape(student.encode()) for student in sorted(self.students))
        return re.compile(rb"(?<![A-Za-z0-9])(?:" + ids + rb")(?![0-9])", re.IGNORECASE)

    @cached_property
    def their_rows(self) -> set[bytes]:
        """Digests of the students' pixels in their stores."""
        return {digest for path in self.their_stores for student, digest in _rows(path) if student in self.students}

    @cached_property
    def rows_in_use(self) -> set[bytes]:
        """Digests of the pixels of every student in the version in use."""
        return {digest for path in self.stores_in_use for _, digest in _rows(path)}

    @cached_property
    def images_in_use(self) -> set[str]:
        """Digests of the images in the pages in use."""
        return {digest for path in self.pages_in_use for digest in _embedded_images(path.read_bytes())}

    def mention(self, content: bytes | mmap.mmap) -> str:
        """Return whether a content names a student, or one of their files: `THEIRS`, `UNPROVEN` or `INNOCENT`."""
        if any(digest in self.origins.theirs for digest in _hex_digests(content)):
            return THEIRS
        found = {match[0].decode().lower() for match in self.ids.finditer(content)}
        return INNOCENT if not found else UNPROVEN if found <= self.present_students else THEIRS


def judge_file(path: Path, evidence: Evidence) -> Verdict:
    """Judge what a file holds, first by its digest, then by its content."""
    digest = compute_md5(path)
    if kind := evidence.origins.theirs.get(digest):
        return Verdict(THEIRS, kind)
    if digest in evidence.origins.others:
        return Verdict(INNOCENT, "")
    return judge_content(path, evidence)


def judge_content(path: Path, evidence: Evidence) -> Verdict:
    """Judge what a file holds by its content alone."""
    with path.open("rb") as file:
        start = file.read(4096)
    readers: dict[bytes, Callable[[Path, Evidence], Verdict]] = {
        TABLE: _judge_table,
        STORE: _judge_store,
        ARRAY: _judge_array,
    }
    if judge := readers.get(start[:4]):
        return judge(path, evidence)
    if start.startswith(IMAGES):
        named = naming.extract_student_id(path.name) in evidence.students
        return Verdict(UNPROVEN, "picture", "named like a withdrawn student's photo" if named else "may show them")
    if not start:
        return Verdict(INNOCENT, "")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return _judge_bytes(content, evidence)


def _judge_bytes(content: mmap.mmap, evidence: Evidence) -> Verdict:
    """Judge a text, or a file of an unknown type."""
    if (mentioned := evidence.mention(content)) != INNOCENT:
        return Verdict(mentioned, "text", "names a student of this id")
    if b"\0" in content[:4096]:
        return Verdict(UNPROVEN, "binary file", "a model, an archive or the like: may be made of their photos")
    images = set(_embedded_images(content))
    if images & evidence.origins.photos:
        return Verdict(THEIRS, "text")
    if images - evidence.images_in_use:
        return Verdict(UNPROVEN, "text", "has pictures in it that may show them")
    return Verdict(INNOCENT, "")


def _judge_table(path: Path, evidence: Evidence) -> Verdict:
    try:
        table = parquet_files.read_any_table(path)
    except (ShoepairError, OSError):
        return Verdict(UNPROVEN, "table", "cannot be read")
    columns = {name: table[name].to_pylist() for name in ("batch", "student", "path") if name in table.column_names}
    names = columns.get("student") or columns.get("path") or []
    students = [naming.extract_student_id(str(name)) for name in names]
    if "batch" in columns:
        rows = set(zip(columns["batch"], students, strict=True))
        return Verdict(INNOCENT if rows.isdisjoint(evidence.people) else THEIRS, "table")
    return _judge_ids(set(students), "table", path, evidence)


def _judge_store(path: Path, evidence: Evidence) -> Verdict:
    for opened in (Store, FeaturesStudents):
        with suppress(ShoepairError, OSError), opened(path) as store:
            return _judge_ids(set(store.student_ids), "store", path, evidence)
    return Verdict(UNPROVEN, "store", "cannot be read")


def _judge_ids(students: set[str], kind: str, path: Path, evidence: Evidence) -> Verdict:
    """Judge a file of one batch by the ids in it: whose batch it is, its name may say."""
    withdrawn = set(evidence.students_by_batch.get(path.stem, evidence.students))
    if not (found := students & withdrawn):
        return Verdict(INNOCENT, kind)
    is_other = path.stem not in evidence.students_by_batch and found <= evidence.present_students
    return Verdict(UNPROVEN if is_other else THEIRS, kind, "has a student of this id")


def _judge_array(path: Path, evidence: Evidence) -> Verdict:
    """Judge an exported array by its students' pixels."""
    unproven = Verdict(UNPROVEN, "array", "may hold their photos")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError):
        return unproven
    if array.ndim != 6 or array.shape[1:3] != STUDENT_SHAPE or array.dtype not in (np.float32, np.uint8):
        return unproven
    digests = {_hash_pixels(student) for student in array}
    if digests & evidence.their_rows:
        return Verdict(THEIRS, "array")
    return Verdict(INNOCENT, "array") if digests <= evidence.rows_in_use else unproven


def _rows(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield each student of a store with a digest of the pixels; nothing if the store cannot be read."""
    try:
        with Store(path) as store:
            for row, student in enumerate(store.student_ids):
                yield student, _hash_pixels(store.read_students([row])[0])
    except (ShoepairError, OSError):
        return


def _hash_pixels(photos: NDArray[np.uint8] | NDArray[np.float32]) -> bytes:
    """Return a digest of one student's photos, the same for bytes and for floats of -0.5..0.5."""
    if photos.dtype != np.uint8:
        photos = np.rint((photos + np.float32(0.5)) * np.float32(255)).astype(np.uint8)
    return hashlib.blake2b(np.ascontiguousarray(photos).data, digest_size=16).digest()


def _hex_digests(content: bytes | mmap.mmap) -> Iterator[str]:
    """Yield everything in a content that may be an MD5 digest; databases write texts one after the other."""
    for digits in HEX_DIGITS.finditer(content):
        yield from (digits[0][start : start + 32].decode() for start in range(len(digits[0]) - 31))


def _embedded_images(content: bytes | mmap.mmap) -> Iterator[str]:
    """Yield the digest of every image in a page."""
    for image in EMBEDDED_IMAGE.finditer(content):
        with suppress(ValueError):  # cut off
            yield hash_content(base64.b64decode(urllib.parse.unquote_to_bytes(image[1]) + b"=="))
