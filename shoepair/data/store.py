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

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn

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


FORMAT = 2
# What h5py raises on a file that is damaged or forged.
DAMAGE = (OSError, RuntimeError, ValueError, KeyError, TypeError, OverflowError, MemoryError)
SCALE_FACTOR = np.float32(1 / 255)
ADD_OFFSET = np.float32(-0.5)
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
    """Name the axes of the images by one dimension scale each."""
    height, width = (range(size) for size in data.shape[3:5])
    scales: dict[str, tuple[Iterable[object], str]] = {
        "student": (students, "S"),
        "pair": (naming.PAIRS, "u1"),
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
    """A store opened for reading; use it in a `with`. Nothing is read that was not asked for.

    Args:
        path: the file.
        shared: whether it is read under `SHOEPAIR_ROOT`, where that is set.

    Raises:
        ShoepairError: the file is missing, or is not a store of this format.
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
            names = [name.decode("ascii", "replace") for name in self._file["student"][()].tolist()]
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
        # On a damaged file, HDF5 never comes back from reading texts of variable length (kind "O").
        if names.shape != data.shape[:1] or names.dtype.kind != "S" or names.nbytes > self._length() or names.chunks:
            self._refuse(f"{len(data)} students in /images, not as many names in /student")
        return data

    def _number(self, name: str) -> object:
        """An attribute that is one number; a text is not read, see `_checked_images`."""
        if name not in self._file.attrs:
            return "none"
        attribute = self._file.attrs.get_id(name)
        if attribute.dtype.kind not in "iu" or attribute.shape != ():
            return "that is no number"
        return self._file.attrs[name]

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
