"""The image store: every photo of one batch in one HDF5 file.

Layout, format 1 (N students, S the edge of an image):

    /images    (N, 3, 2, S, S, 3)  uint8   student, pair 1-3, left/right, height, width, RGB; one chunk per student
    /student   (N,)                str     e.g. "u052", ascending; the scale of the first axis
    /pair /side /height /width /channel    the scales of the other axes
    attrs      format = 1; of /images: scale_factor = 1/255, add_offset = -0.5

The file MUST hold these, MUST NOT hold compressed or external data, and MAY be read by anything that knows netCDF-4:
pixels stay uint8, a quarter of float32, and the two attributes are the CF convention, so that xarray reads -0.5..0.5.
Compression is left out: it takes longer than decoding the photo did, for a fifth of the bytes.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, NoReturn

import h5py
import numpy as np
from numpy.typing import NDArray

from shoepair.data import naming
from shoepair.runtime import storage
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.files import replacing
from shoepair.runtime.paths import SYNTHETIC

if TYPE_CHECKING:
    from typing_extensions import Buffer  # Python 3.12 has it as collections.abc.Buffer


FORMAT = 1
# What h5py raises on a file that is damaged or forged.
DAMAGE = (OSError, RuntimeError, ValueError, KeyError, TypeError, OverflowError, MemoryError)
SCALE_FACTOR = np.float32(1 / 255)  # float32, so that readers of the convention give float32 and not float64
ADD_OFFSET = np.float32(-0.5)
TEXT = struct.Struct("<IQI")  # of HDF5: length of a text, address of its heap, number of the object there
HEAP, OBJECT = struct.Struct("<5s3xQ"), struct.Struct("<H6xQ")  # signature, length; number, length
HEAP_LIMIT = 2**24  # bytes of one heap; HDF5 makes them of 4096
TEXT_LIMIT = 255  # bytes of a student's number, which came from a file name
STUDENT = re.compile(r"u[0-9]+", re.ASCII)
STUDENT_SHAPE = (len(naming.PAIRS), len(naming.SIDES))


def scaled(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Bytes as the networks see them: float32 of byte / 255 - 0.5, correctly rounded.

    (byte - 127.5) / 255 is the same number with one rounding instead of two: the difference is exact in float32.
    """
    return (pixels.astype(np.float32) - np.float32(127.5)) / np.float32(255)


def write(path: Path, students: Sequence[str], images: Iterable[NDArray[np.uint8]], edge: int) -> None:
    """Write the store of one batch; the same input gives the same bytes.

    Args:
        path: the file; it appears when it is whole.
        students: N ids, ascending.
        images: N arrays (3, 2, edge, edge, 3), in the order of `students`; one at a time is in memory.
        edge: S, in pixels.
    """
    with replacing(path) as part, _Disk(part, "w+") as disk:
        with h5py.File(disk, "w", libver="v110") as file:
            file.attrs["format"] = FORMAT
            shape = (len(students), *STUDENT_SHAPE, edge, edge, 3)
            data = file.create_dataset("images", shape, np.uint8, chunks=(1, *shape[1:]), track_times=False)
            data.attrs["scale_factor"] = SCALE_FACTOR
            data.attrs["add_offset"] = ADD_OFFSET
            _write_scales(file, data, students)
            for row, image in zip(range(len(students)), images, strict=True):
                data[row] = image
                disk.raise_refusal()
        disk.raise_refusal()  # closing writes too


class _Disk(io.FileIO):
    """A file that HDF5 can always close: what the disk refuses is kept and raised by `raise_refusal`, not at once.

    Left to itself, HDF5 meets a full disk again when it closes the file, cannot close it, and crashes the process.
    """

    refusal: OSError | None = None

    def write(self, data: Buffer, /) -> int:
        """All of the data, or nothing once the disk has refused."""
        rest = memoryview(data).cast("B")
        length = len(rest)
        while len(rest) and self.refusal is None:
            try:
                rest = rest[super().write(rest) :]
            except OSError as error:
                self.refusal = error
        return length

    def raise_refusal(self) -> None:
        """Raise what the disk refused, if it did."""
        if self.refusal is not None:
            raise self.refusal


def _write_scales(file: h5py.File, data: h5py.Dataset, students: Sequence[str]) -> None:
    """Name the axes, as netCDF-4 wants it: one scale dataset each."""
    text = h5py.string_dtype()
    scales: dict[str, tuple[Sequence[object], object]] = {
        "student": (students, text),
        "pair": (naming.PAIRS, np.uint8),
        "side": (naming.SIDES, text),
        "height": (range(data.shape[3]), np.uint16),
        "width": (range(data.shape[4]), np.uint16),
        "channel": (("red", "green", "blue"), text),
    }
    for axis, (name, (values, dtype)) in enumerate(scales.items()):
        scale = file.create_dataset(name, data=list(values), dtype=dtype, track_times=False)
        scale.make_scale(name)
        data.dims[axis].attach_scale(scale)


class Store:
    """A store opened for reading; use it in a `with`. Nothing is read that was not asked for.

    Args:
        path: the file.
        shared: whether it is read under `SHOEPAIR_ROOT`, where that is set.

    Raises:
        ShoepairError: the file is missing, or is not a store of format 1.
    """

    def __init__(self, path: Path, *, shared: bool = False) -> None:
        self.path = path
        self._remote = storage.store(path) if shared else None
        try:
            # No cache of chunks: a student is one, and is read once. HDF5's own would hold eight megabytes a store.
            self._file = h5py.File(path if self._remote is None else self._remote, "r", rdcc_nbytes=0)
        except FileNotFoundError:
            found = f"{path}: missing"
            raise ShoepairError(found, fix="run `dvc repro`, which builds it") from None
        except DAMAGE:
            self._refuse("not an HDF5 file")
        try:
            with self._trusting_nothing():
                self._images = self._checked_images()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; nothing more can be read."""
        self._file.close()
        if self._remote is not None:
            self._remote.close()

    def __len__(self) -> int:
        return int(self._images.shape[0])

    @property
    def edge(self) -> int:
        """S, the edge of an image in pixels."""
        return int(self._images.shape[3])

    @property
    def students(self) -> list[str]:
        """The ids of the N students, ascending."""
        with self._trusting_nothing():
            names = list(self._texts(self._file["student"]))
        if len(names) != len(self) or names != sorted(set(names)) or not all(map(STUDENT.fullmatch, names)):
            self._refuse("damaged (its students are not numbers in ascending order)")
        return names

    def read(self, rows: Sequence[int] | NDArray[np.int64]) -> NDArray[np.uint8]:
        """The photos of some students.

        Args:
            rows: T row numbers, in any order.

        Returns:
            (T, 3, 2, S, S, 3) bytes.
        """
        images = np.empty((len(rows), *self._images.shape[1:]), np.uint8)
        with self._trusting_nothing():
            for place, row in enumerate(rows):
                self._images.read_direct(images, np.s_[int(row)], np.s_[place])
        return images

    @contextmanager
    def _trusting_nothing(self) -> Iterator[None]:
        """What HDF5 raises on a damaged or forged file, as the message that this is no store."""
        try:
            yield
        except DAMAGE as error:
            self._refuse(f"damaged ({str(error).splitlines()[0] if str(error) else type(error).__name__})")

    def _checked_images(self) -> h5py.Dataset:
        """The photos, when nothing leads out of the file and nothing claims more than the file can hold."""
        number = self._number("format")
        if number != FORMAT:
            self._refuse(f"format {number}")
        data, names = (self._own_dataset(name) for name in ("images", "student"))
        if data.dtype != np.uint8 or data.ndim != 6 or data.shape[1:] != (*STUDENT_SHAPE, *data.shape[3:4] * 2, 3):
            self._refuse("no images of (N, 3, 2, S, S, 3) bytes in it")
        # Pixels lie in the file as they are, so a file of so many bytes holds no more of them.
        if data.size > self._length() or data.chunks != (1, *data.shape[1:]):
            self._refuse(
                f"images of {data.shape} bytes claimed, more than the file holds, or not in chunks of a student"
            )
        text = h5py.check_string_dtype(names.dtype)
        if names.shape != data.shape[:1] or text is None or text.length is not None:  # a length: not in the heap
            self._refuse(f"{len(data)} students in /images, not as many names in /student")
        return data

    def _number(self, name: str) -> object:
        """An attribute that is one number; a text is not read, for the reason that `_texts` has."""
        if name not in self._file.attrs:
            return "none"
        attribute = self._file.attrs.get_id(name)
        if attribute.dtype.kind not in "iu" or attribute.shape != ():
            return "that is no number"
        return self._file.attrs[name]

    def _texts(self, names: h5py.Dataset) -> Iterator[str]:
        """Texts of any length, which HDF5 keeps apart from the array that points at them.

        Read here by their layout ("global heap", HDF5 File Format Specification III.E): on some damaged files, HDF5
        itself never comes back from it.
        """
        place = names.id.get_offset()
        if place is None or self._file.userblock_size:
            self._refuse("damaged (no names of students)")
        with nullcontext(self._remote) if self._remote is not None else self.path.open("rb") as file:
            file.seek(place)
            entries = file.read(len(names) * TEXT.size)
            heaps: dict[int, dict[int, bytes]] = {}
            left = self._length()  # the heaps of a sound file do not overlap
            for length, heap, number in TEXT.iter_unpack(entries[: len(entries) // TEXT.size * TEXT.size]):
                if heap not in heaps:
                    content = _heap(file, heap)
                    left -= len(content)
                    heaps[heap] = dict(_objects(content))
                if left < 0 or length > TEXT_LIMIT:
                    self._refuse("damaged (names of students that overlap or are too long)")
                yield heaps[heap].get(number, b"")[:length].decode("ascii", "replace")

    def _length(self) -> int:
        """Bytes of the file."""
        return self.path.stat().st_size if self._remote is None else self._remote.length

    def _own_dataset(self, name: str) -> h5py.Dataset:
        """A dataset whose bytes lie in this file: no link, no external or virtual data, no filter to run."""
        link = self._file.get(name, getlink=True)
        data = self._file.get(name) if type(link) is h5py.HardLink else None
        if not isinstance(data, h5py.Dataset):
            self._refuse(f"no dataset /{name} of its own in it")
        if data.external or data.is_virtual or data.id.get_create_plist().get_nfilters():
            self._refuse(f"/{name} is external, virtual or compressed")
        return data

    def _refuse(self, got: str) -> NoReturn:
        place = self.path if self._remote is None else self._remote.address
        found = f"{place}: {got}, expected a store of format {FORMAT}"
        stage = SYNTHETIC if self.path.stem == SYNTHETIC else f"normalize@{self.path.stem}"
        fix = f"delete it and run `dvc repro {stage}`, which rebuilds it"
        fix += "" if self._remote is None else f"; then upload {self.path} there"
        raise ShoepairError(found, fix=fix) from None


def _heap(file: BinaryIO | storage.RemoteFile, place: int) -> bytes:
    """What one global heap collection holds; nothing where there is none."""
    file.seek(min(place, 2**62))
    signature, length = HEAP.unpack(file.read(HEAP.size).ljust(HEAP.size, b"\0"))
    return file.read(max(min(length, HEAP_LIMIT) - HEAP.size, 0)) if signature == b"GCOL\1" else b""


def _objects(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The objects of one global heap collection: number and content."""
    at = 0
    while at + OBJECT.size <= len(content):
        number, length = OBJECT.unpack_from(content, at)
        if number == 0:  # the free space, always the last
            return
        at += OBJECT.size
        yield number, content[at : at + length]
        at += -(-length // 8) * 8
