"""The file of features: the maps of a pretrained network for every photo of one batch, in one HDF5 file.

Layout, format 1 (N students, V = 2 views: the photo as it is, and mirrored; A augmented views of M students):

    /student           (N,)                 text     e.g. "u052", ascending, as in the store of the batch
    /<name>            (N, 3, 2, V, ...)    float16  student, pair 1-3, left/right, view, then e.g. a map (C, H, H)
    /<name>_augmented  (M, 3, 2, A, ...)    float16  only where A > 0
    /augmented_row     (N,)                 int32    row of the student in the augmented datasets, or -1
    attrs              format = 1, edge, augmented = A, weights (name), sha256 (of the weights), names (with spaces)

- All data MUST lie in this file, MUST NOT be compressed, and MUST be chunked by student.
- Texts MUST be of fixed length, ASCII.
- /colors MUST hold the square roots of the colour histograms (3 channels, 16 bins); the other names are depths of the
  network.
- A file with no `names` holds nothing of any photo: `pretrained.models` named no model.
- A reader MUST refuse another format, and maps of other weights or another edge than it asks for.

Half precision: the similarities of two photos differ by less than a thousandth of what they differ between photos.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from shoepair.data.store import STUDENT_SHAPE, Store, create_hdf5_file
from shoepair.runtime.errors import ShoepairError

FORMAT_VERSION = 1
COLORS, COLOR_SHAPE = "colors", (3, 16)
VIEWS = 2  # as it is, mirrored
AUGMENTED = "_augmented"
AUGMENTED_ROW = "augmented_row"

Arrays = Mapping[str, NDArray[np.float16]]


@dataclass(frozen=True)
class FeaturesKind:
    """What the maps of a file are of: the same for every photo that a model compares.

    Args:
        weights: where the network's weights came from.
        sha256: of the file of weights.
        edge: that photos were scaled to.
    """

    weights: str
    sha256: str
    edge: int


class StudentFeatures(NamedTuple):
    """The features of a student by name, (3, 2, V, ...), and of the augmented views, (3, 2, A, ...), if there are."""

    views: Arrays
    augmented: Arrays | None


def write_features(
    path: Path,
    kind: FeaturesKind,
    student_ids: Sequence[str],
    is_augmented: Sequence[bool],
    features: Iterable[StudentFeatures],
) -> None:
    """Write the file of features of one batch; the same input gives the same bytes.

    Args:
        path: the file; it appears when it is complete.
        kind: what the maps are of.
        student_ids: N ids, ascending.
        is_augmented: of each student, whether there are augmented views.
        features: of each student; one at a time is in memory. None at all: a file without names.
    """
    with create_hdf5_file(path) as (file, raise_write_error):
        file.attrs["format"] = FORMAT_VERSION
        for name, text in (("weights", kind.weights), ("sha256", kind.sha256)):
            file.attrs[name] = np.bytes_(text.encode())
        file.attrs["edge"] = kind.edge
        file.create_dataset("student", data=np.array(student_ids, "S"), track_times=False)
        rows = np.where(is_augmented, np.cumsum(is_augmented) - 1, -1).astype(np.int32)
        file.create_dataset(AUGMENTED_ROW, data=rows, track_times=False)
        names, views = "", 0
        for row, student in enumerate(features):
            for name, values in student.views.items():
                _require_dataset(file, name, len(student_ids), values)[row] = values
            for name, values in (student.augmented or {}).items():
                _require_dataset(file, f"{name}{AUGMENTED}", sum(is_augmented), values)[rows[row]] = values
                views = values.shape[2]
            names = " ".join(student.views)
            raise_write_error()
        file.attrs["augmented"] = views
        file.attrs["names"] = np.bytes_(names.encode())


def write_empty_file(path: Path) -> None:
    """Write a file without names, where no model needs features."""
    write_features(path, FeaturesKind("", "", 0), [], [], [])


def _require_dataset(file: h5py.File, name: str, count: int, values: NDArray[np.float16]) -> h5py.Dataset:
    if name not in file:
        shape = (count, *values.shape)
        file.create_dataset(name, shape, np.float16, chunks=(1, *values.shape), track_times=False)
    return file[name]


class FeaturesFile(Store):
    """A file of features opened for reading, as a context manager.

    Args:
        path: the file.
        names: of the features that are read, in their order.
        kind: what the maps must be of.
        with_augmented: whether the augmented views are read too.
        use_remote_root: see `Store`.

    Raises:
        ShoepairError: see `Store`; or the maps are of other weights or another edge, or some of them are missing.
    """

    stage = "features"
    expected = f"features of format {FORMAT_VERSION}"

    def __init__(
        self,
        path: Path,
        names: Sequence[str],
        kind: FeaturesKind,
        *,
        with_augmented: bool = False,
        use_remote_root: bool = False,
    ) -> None:
        self.names, self._kind, self._with_augmented = tuple(names), kind, with_augmented
        super().__init__(path, use_remote_root=use_remote_root)

    def __len__(self) -> int:
        return int(self._ids.shape[0])

    @property
    def student_bytes(self) -> int:
        """Bytes of what is read of a student."""
        shapes = [data.shape[1:] for data in [*self._views, *self._augmented]]
        return sum(2 * int(np.prod(shape)) for shape in shapes)

    def read_students(self, row_numbers: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float16]:  # type: ignore[override]  # its numbers are no pixels
        """Read the features of the students in these rows: (T, 3, 2, V, K) float16, or with A more views.

        K are the numbers of all names, one after another.

        Raises:
            ShoepairError: the file has no such row, or is damaged.
            OSError: this machine cannot read it.
        """
        self.raise_if_no_rows(row_numbers)
        with self._damage_as_shoepair_error():
            students = [self._read_student(int(row)) for row in row_numbers]
        return np.stack(students)

    def _read_student(self, row: int) -> NDArray[np.float16]:
        parts = [_flatten_views(self._views, row)]
        if self._augmented:
            number = int(self._rows[row])
            if not 0 <= number < len(self._augmented[0]):
                self._raise_invalid_store(f"no augmented views of student {row}")
            parts.append(_flatten_views(self._augmented, number))
        return np.concatenate(parts, axis=2)

    def _open_checked_images(self) -> h5py.Dataset:
        """Check format and kind; open the datasets after checking that all data lie in the file."""
        version = self._read_integer_attribute("format")
        if version != FORMAT_VERSION:
            self._raise_invalid_store(f"format {version}")
        self._ids = self._get_contained_dataset("student")
        if not self._can_be_read(self._ids):
            self._raise_invalid_store("no names of students in /student")
        texts = {name: self._read_text_attribute(name) for name in ("weights", "sha256", "names")}
        stored = texts["names"].split()
        if not stored:
            message = f"{self.path}: no features in it, since `pretrained.models` named no model"
            raise ShoepairError(message, fix="name the model there and run `dvc repro features`")
        found = FeaturesKind(texts["weights"], texts["sha256"], int(str(self._read_integer_attribute("edge"))))
        if (found.sha256, found.edge) != (self._kind.sha256, self._kind.edge):
            expected = f"expected {_describe(self._kind)}"
            message = f"{self.path}: features of {_describe(found)}, {expected}"
            raise ShoepairError(message, fix="run `dvc repro`, which makes features and models of the same weights")
        self._views = [self._get_checked_features(name, len(self)) for name in self.names]
        self._rows = self._get_checked_rows()
        augmented = self._with_augmented and self._read_integer_attribute("augmented") != 0
        count = int((self._rows >= 0).sum())
        names = [f"{name}{AUGMENTED}" for name in self.names] if augmented and count else []
        self._augmented = [self._get_checked_features(name, count) for name in names]
        return self._views[0]

    def _get_checked_features(self, name: str, count: int) -> h5py.Dataset:
        data = self._get_contained_dataset(name)
        if data.dtype != np.float16 or data.ndim < 5 or data.shape[:3] != (count, *STUDENT_SHAPE):
            self._raise_invalid_store(f"no half-precision numbers of {count} students in /{name}")
        if 2 * data.size > self._file_bytes() or data.chunks != (1, *data.shape[1:]):
            self._raise_invalid_store(f"/{name} of {data.shape} claims more than the file holds, or other chunks")
        return data

    def _get_checked_rows(self) -> NDArray[np.int32]:
        data = self._get_contained_dataset(AUGMENTED_ROW)
        if data.dtype != np.int32 or data.shape != (len(self),) or data.nbytes > self._file_bytes():
            self._raise_invalid_store(f"no row of each student in /{AUGMENTED_ROW}")
        rows: NDArray[np.int32] = data[()]
        return rows

    def _read_text_attribute(self, name: str) -> str:
        """Return an attribute that is one text of fixed length, else ""."""
        if name not in self._file.attrs or self._file.attrs.get_id(name).dtype.kind != "S":
            return ""
        return bytes(self._file.attrs[name]).decode("ascii", "replace")


class FeaturesStudents(Store):
    """The names of the students in a file of features, of whatever network; see `Store`."""

    stage = FeaturesFile.stage
    expected = FeaturesFile.expected

    def _open_checked_images(self) -> h5py.Dataset:
        """Return /student after checking that it can be read and that this is a file of features."""
        ids = self._get_contained_dataset("student")
        is_known = self._read_integer_attribute("format") == FORMAT_VERSION and AUGMENTED_ROW in self._file
        if not is_known or not self._can_be_read(ids):
            self._raise_invalid_store("no features")
        return ids


def _flatten_views(data: Sequence[h5py.Dataset], row: int) -> NDArray[np.float16]:
    """Read a row of datasets (_, 3, 2, V, ...) as (3, 2, V, K)."""
    return np.concatenate([one[row].reshape(*one.shape[1:4], -1) for one in data], axis=3)


def _describe(kind: FeaturesKind) -> str:
    return f"{kind.weights} ({kind.sha256[:8]}) at {kind.edge} pixels"
