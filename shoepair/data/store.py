"""The image store: every photo of one batch in one HDF5 file.

Layout, format 2 (N students, S the edge of an image in pixels):

    /images    (N, 3, 2, S, S, 3)  uint8   student, pair 1-3, left/right, height, width, RGB
    /student   (N,)                text    e.g. "u052", ascending
    /pair (3,), /side (2,), /height (S,), /width (S,), /channel (3,)
    attrs      format = 2; of /images: scale_factor = 1/255, add_offset = -0.5

- All data MUST lie in this file, MUST NOT be compressed, and /images MUST be chunked by student: (1, 3, 2, S, S, 3).
- Texts MUST be of fixed length, ASCII padded with null bytes, and MUST carry the attribute `_Encoding`: without it,
  xarray reads bytes instead of strings.
- The six small datasets MUST be the dimension scales of /images, in that order: netCDF-4 finds the axes by them. They
  MUST NOT carry REFERENCE_LIST, the way back from a scale to its axes: PyTables cannot read its type.
- scale_factor and add_offset MUST be float32: by them, readers of the CF convention get float32 of -0.5..0.5.
- Any reader of HDF5 or netCDF-4 MAY read the file. A reader MUST refuse another format.

Pixels stay uint8, a quarter of float32. Compression would take longer than decoding the photo did, for a fifth of the
bytes.
"""

from __future__ import annotations

import errno
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, NoReturn, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from shoepair.data import naming
from shoepair.data.wording import count_with_noun
from shoepair.runtime import open_files, storage
from shoepair.runtime.atomic_files import atomic_write
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.paths import SYNTHETIC_BATCH

if TYPE_CHECKING:
    from typing_extensions import Buffer  # Python 3.12 has it as collections.abc.Buffer


FORMAT_VERSION = 2
# Errors of h5py on a damaged or forged file, if they have no number: one with a number is the system's.
DAMAGED_FILE_ERRORS = (OSError, RuntimeError, ValueError, KeyError, TypeError, OverflowError, MemoryError)
FORGED_ADDRESS_ERRORS = {errno.EINVAL, errno.EOVERFLOW, errno.EFBIG}  # of reading where no file can have data
LOCK_FAILED_TEXT, OPEN_FOR_WRITING_TEXT = "unable to lock file", "already open for write"  # in errors of HDF5
SCALE_FACTOR = np.float32(1 / 255)
ADD_OFFSET = np.float32(-0.5)
STUDENT_ID_PATTERN = re.compile(naming.STUDENT_LETTER + r"[0-9]+", re.ASCII)
STUDENT_SHAPE = (len(naming.PAIR_NUMBERS), len(naming.SIDES))


def scale_to_centred_float(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Scale uint8 pixels to float32 of -0.5..0.5 (byte / 255 - 0.5), correctly rounded.

    (byte - 127.5) / 255 is the same number with one rounding instead of two: the difference is exact in float32.
    """
    return (pixels.astype(np.float32) - np.float32(127.5)) / np.float32(255)


def write_store(
    path: Path, student_ids: Sequence[str], student_photos: Iterable[NDArray[np.uint8]], edge: int
) -> None:
    """Write the HDF5 store of one batch; the same input gives the same bytes.

    Args:
        path: the file; it appears when it is complete.
        student_ids: N ids, ascending.
        student_photos: N arrays (3, 2, edge, edge, 3), in the order of `student_ids`; one at a time is in memory.
        edge: S, in pixels.
    """
    with create_hdf5_file(path) as (file, raise_write_error):
        file.attrs["format"] = FORMAT_VERSION
        shape = (len(student_ids), *STUDENT_SHAPE, edge, edge, 3)
        data = file.create_dataset("images", shape, np.uint8, chunks=(1, *shape[1:]), track_times=False)
        data.attrs["scale_factor"] = SCALE_FACTOR
        data.attrs["add_offset"] = ADD_OFFSET
        _write_dimension_scales(file, data, student_ids)
        for row, photos in zip(range(len(student_ids)), student_photos, strict=True):
            data[row] = photos
            raise_write_error()


@contextmanager
def create_hdf5_file(path: Path) -> Iterator[tuple[h5py.File, Callable[[], None]]]:
    """Create an HDF5 file that appears when it is complete; yield it, and a function that raises its write errors."""
    with atomic_write(path) as part, _DeferredErrorFile(part, "w+") as disk:
        with h5py.File(disk, "w", libver="v110") as file:
            yield file, disk.raise_write_error
        disk.raise_write_error()  # closing writes too


class _DeferredErrorFile(io.FileIO):
    """A file that HDF5 can always close: errors of the disk are stored, and raised by `raise_write_error`.

    HDF5 writes again when it closes the file; if the disk is full, it cannot close it and crashes the process.
    """

    write_error: OSError | None = None

    def write(self, data: Buffer, /) -> int:
        """Write all data, or nothing after a write error; return its length either way."""
        remaining = memoryview(data).cast("B")
        length = len(remaining)
        while len(remaining) and self.write_error is None:
            try:
                remaining = remaining[super().write(remaining) :]
            except OSError as error:
                self.write_error = error
        return length

    def raise_write_error(self) -> None:
        """Raise the first write error, if there was one."""
        if self.write_error is not None:
            raise self.write_error


def _write_dimension_scales(file: h5py.File, data: h5py.Dataset, student_ids: Sequence[str]) -> None:
    """Write one dimension scale for each axis of the images."""
    height, width = (range(size) for size in data.shape[3:5])
    scales: dict[str, tuple[Iterable[object], str]] = {
        "student": (student_ids, "S"),
        "pair": (naming.PAIR_NUMBERS, "u1"),
        "side": (naming.SIDES, "S"),
        "height": (height, "u2"),
        "width": (width, "u2"),
        "channel": (("red", "green", "blue"), "S"),
    }
    for axis, (name, (values, dtype)) in enumerate(scales.items()):
        scale = file.create_dataset(name, data=np.array(list(values), dtype), track_times=False)
        if dtype == "S":
            scale.attrs["_Encoding"] = np.bytes_("ascii")
        scale.make_scale(name)
        data.dims[axis].attach_scale(scale)
        del scale.attrs["REFERENCE_LIST"]


class Store:
    """A photo store opened for reading, as a context manager; photos are read on demand.

    Args:
        path: the file.
        use_remote_root: whether to read it under `SHOEPAIR_ROOT`, if that is set.

    Raises:
        ShoepairError: the file is missing, is not a store of this format, or is open for writing in another program.
        OSError: this machine cannot read it.
    """

    stage: ClassVar[str] = "normalize"
    expected: ClassVar[str] = f"a store of format {FORMAT_VERSION}"

    def __init__(self, path: Path, *, use_remote_root: bool = False) -> None:
        self.path = path
        self._remote = storage.open_remote_store(path) if use_remote_root else None
        try:
            self._file = self._open_file()
        except FileNotFoundError:
            message = f"{path}: missing"
            raise ShoepairError(message, fix="run `dvc repro`, which builds it") from None
        except DAMAGED_FILE_ERRORS as error:
            self._raise_if_not_damaged(error)
            self._raise_invalid_store("not an HDF5 file")
        try:
            with self._damage_as_shoepair_error():
                self._images = self._open_checked_images()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        if self._remote is not None:
            self._remote.close()

    def __len__(self) -> int:
        return int(self._images.shape[0])

    @property
    def edge(self) -> int:
        """Edge length S of a photo in pixels."""
        return int(self._images.shape[3])

    @property
    def student_ids(self) -> list[str]:
        """Ids of the N students, ascending."""
        with self._damage_as_shoepair_error():
            ids = [name.decode("ascii", "replace") for name in self._file["student"][()].tolist()]
        if len(ids) != len(self) or ids != sorted(set(ids)) or not all(map(STUDENT_ID_PATTERN.fullmatch, ids)):
            self._raise_invalid_store("damaged (student ids are not numbers in ascending order)")
        return ids

    def read_students(self, row_numbers: Sequence[int] | NDArray[np.int64]) -> NDArray[np.uint8]:
        """Read the photos of the students in these rows.

        Args:
            row_numbers: T row numbers, in any order.

        Returns:
            (T, 3, 2, S, S, 3) uint8.

        Raises:
            ShoepairError: the store has no such row, or is damaged.
            OSError: this machine cannot read it.
        """
        self.raise_if_no_rows(row_numbers)
        images = np.empty((len(row_numbers), *self._images.shape[1:]), np.uint8)
        with self._damage_as_shoepair_error():
            for position, row in enumerate(row_numbers):
                self._images.read_direct(images, np.s_[int(row)], np.s_[position])
        return images

    def raise_if_no_rows(self, row_numbers: Sequence[int] | NDArray[np.int64]) -> None:
        """Raise a ShoepairError if there are no students in some of these rows."""
        if any(not 0 <= row < len(self) for row in row_numbers):
            count = count_with_noun(len(self), "student")
            message = f"{self.path}: row {max(row_numbers)} of a table, but the store has {count}"
            raise ShoepairError(message, fix="run `dvc repro`, which makes both from the same photos")

    @contextmanager
    def _damage_as_shoepair_error(self) -> Iterator[None]:
        """Convert errors of HDF5 on a damaged or forged file to a ShoepairError."""
        try:
            yield
        except DAMAGED_FILE_ERRORS as error:
            self._raise_if_not_damaged(error)
            cause = str(error).splitlines()[0] if str(error) else type(error).__name__
            self._raise_invalid_store(f"damaged ({cause})")

    def _open_file(self) -> h5py.File:
        """Open the file, under HDF5's lock where the disk has locks; without them nobody can hold one."""
        source = self.path if self._remote is None else self._remote
        # No chunk cache: a student is one chunk, read once. HDF5's default cache holds eight megabytes a store.
        try:
            return h5py.File(source, "r", rdcc_nbytes=0)
        except OSError as error:
            if LOCK_FAILED_TEXT not in str(error) or error.errno == errno.EAGAIN:
                raise
        return h5py.File(source, "r", rdcc_nbytes=0, locking=False)

    def _raise_if_not_damaged(self, error: Exception) -> None:
        """Raise the error that is meant by one of h5py, unless that means damage."""
        number = getattr(error, "errno", None)
        if (number == errno.EAGAIN and LOCK_FAILED_TEXT in str(error)) or OPEN_FOR_WRITING_TEXT in str(error):
            self._raise_held_store(is_locked=number is not None)
        if number and number not in FORGED_ADDRESS_ERRORS:
            raise OSError(number, os.strerror(number), str(self.path)) from None

    def _raise_held_store(self, *, is_locked: bool) -> NoReturn:
        """Raise the error about a store that is open for writing elsewhere, or was and has not been closed."""
        writers = ", ".join(open_files.list_writers(self.path))
        message = f"{self.path}: open for writing in {writers or 'another program'}"
        fix = "close it there (in a notebook by `close()`, or restart its kernel), then run the command again"
        if not is_locked and not writers:
            message = f"{self.path}: opened for writing by a program that has not closed it"
            fix = f"if that program still runs, close it; else run `dvc repro {self._stage}`, which rebuilds the store"
        raise ShoepairError(message, fix=fix) from None

    @property
    def _stage(self) -> str:
        """The stage that writes the store, as `dvc repro` takes it."""
        return SYNTHETIC_BATCH if self.path.stem == SYNTHETIC_BATCH else f"{self.stage}@{self.path.stem}"

    def _open_checked_images(self) -> h5py.Dataset:
        """Return /images after checking that all data lie in the file and no size exceeds the file's."""
        version = self._read_integer_attribute("format")
        if version != FORMAT_VERSION:
            self._raise_invalid_store(f"format {version}")
        data, ids = (self._get_contained_dataset(name) for name in ("images", "student"))
        if data.dtype != np.uint8 or data.ndim != 6 or data.shape[1:] != (*STUDENT_SHAPE, *data.shape[3:4] * 2, 3):
            self._raise_invalid_store("no images of (N, 3, 2, S, S, 3) bytes in it")
        # Pixels are stored uncompressed, so the file has at least as many bytes.
        if data.size > self._file_bytes() or data.chunks != (1, *data.shape[1:]):
            self._raise_invalid_store(
                f"images of {data.shape} bytes claimed, more than the file holds, or not in chunks of a student"
            )
        if ids.shape != data.shape[:1] or not self._can_be_read(ids):
            self._raise_invalid_store(
                f"{count_with_noun(len(data), 'student')} in /images, not as many names in /student"
            )
        return data

    def _can_be_read(self, ids: h5py.Dataset) -> bool:
        """Whether reading names ends: HDF5 may never return from texts of variable length (kind "O") if damaged."""
        return ids.ndim == 1 and ids.dtype.kind == "S" and ids.nbytes <= self._file_bytes() and not ids.chunks

    def _read_integer_attribute(self, name: str) -> object:
        """Return an attribute that is one integer, else a description; texts are not read (`_open_checked_images`)."""
        if name not in self._file.attrs:
            return "none"
        attribute = self._file.attrs.get_id(name)
        if attribute.dtype.kind not in "iu" or attribute.shape != ():
            return "that is not an integer"
        return self._file.attrs[name]

    def _file_bytes(self) -> int:
        """Return the size of the file in bytes."""
        return self.path.stat().st_size if self._remote is None else self._remote.length

    def _get_contained_dataset(self, name: str) -> h5py.Dataset:
        """Return a dataset that lies in this file: no link, no external or virtual data, no filter to run."""
        link = self._file.get(name, getlink=True)
        data = self._file.get(name) if type(link) is h5py.HardLink else None
        if not isinstance(data, h5py.Dataset):
            self._raise_invalid_store(f"no dataset /{name}, or only a link to one")
        if data.external or data.is_virtual or data.id.get_create_plist().get_nfilters():
            self._raise_invalid_store(f"/{name} is external, virtual or compressed")
        return data

    def _raise_invalid_store(self, problem: str) -> NoReturn:
        location = self.path if self._remote is None else self._remote.address
        message = f"{location}: {problem}, expected {self.expected}"
        fix = f"delete it and run `dvc repro {self._stage}`, which rebuilds it"
        fix += "" if self._remote is None else f"; then upload {self.path} there"
        raise ShoepairError(message, fix=fix) from None
