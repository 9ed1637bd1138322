"""The HDF5 store, and the mini-batches read from it."""

from __future__ import annotations

import errno
import fcntl
import io
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
import xarray
from numpy.typing import NDArray
from typing_extensions import Buffer

from shoepair.data import loading, pair_dataset, photo_loading, store
from shoepair.data import pairs as pair_table
from shoepair.runtime import errors, paths

RNG = np.random.default_rng(5)
PIXELS = RNG.integers(0, 256, (4, 3, 2, 16, 16, 3), np.uint8)
NAMES = ["u001", "u003", "u004", "u052"]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    store.write_store(tmp_path / "a.h5", NAMES, PIXELS, 16)
    return tmp_path / "a.h5"


def test_what_is_written_is_read(written: Path) -> None:
    with store.Store(written) as opened:
        assert (len(opened), opened.edge, opened.student_ids) == (4, 16, NAMES)
        assert (opened.read_students([3, 0]) == PIXELS[[3, 0]]).all()


def test_same_input_gives_the_same_bytes(written: Path, tmp_path: Path) -> None:
    store.write_store(tmp_path / "elsewhere" / "b.h5", NAMES, iter(PIXELS), 16)
    assert (tmp_path / "elsewhere" / "b.h5").read_bytes() == written.read_bytes()


def test_xarray_reads_the_scaled_values(written: Path) -> None:
    with xarray.open_dataset(written, engine="h5netcdf") as opened:
        images = opened["images"]
        assert images.dims == ("student", "pair", "side", "height", "width", "channel")
        assert images.dtype == np.float32
        assert list(opened["student"].to_numpy()) == NAMES
        np.testing.assert_allclose(images.to_numpy(), store.scale_to_centred_float(PIXELS), atol=1e-7)


def test_scales_carry_plain_attributes_alone_so_that_pytables_reads_them(written: Path) -> None:
    with h5py.File(written) as file:
        for name in file.keys() - {"images"}:
            kinds = {file[name].attrs.get_id(key).dtype.kind for key in file[name].attrs}
            assert kinds == {"S"}, name
        assert [list(axis.keys()) for axis in file["images"].dims] == [
            ["student"],
            ["pair"],
            ["side"],
            ["height"],
            ["width"],
            ["channel"],
        ]


def test_every_byte_is_scaled_and_correctly_rounded() -> None:
    floats = store.scale_to_centred_float(np.arange(256, dtype=np.uint8))
    exact = np.arange(256, dtype=np.float64) / 255 - 0.5
    assert floats.dtype == np.float32
    assert (floats == exact.astype(np.float32)).all()
    assert (floats.min(), floats.max()) == (-0.5, 0.5)


def test_at_most_two_hundredths_more_than_a_byte_per_value(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, (3, 3, 2, 224, 224, 3), np.uint8)
    store.write_store(tmp_path / "a.h5", NAMES[:3], pixels, 224)
    assert (tmp_path / "a.h5").stat().st_size / pixels.size <= 1.02


class CountingFile(io.BytesIO):
    """A file in memory that counts the bytes read from it."""

    count = 0

    def readinto(self, buffer: Buffer) -> int:
        length = super().readinto(buffer)
        self.count += length
        return length


def test_only_the_students_read_are_read_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = RNG.integers(0, 256, (20, 3, 2, 64, 64, 3), np.uint8)
    names = [f"u{number:03}" for number in range(20)]
    store.write_store(tmp_path / "a.h5", names, pixels, 64)
    content = CountingFile((tmp_path / "a.h5").read_bytes())
    real = h5py.File
    monkeypatch.setattr(h5py, "File", lambda _path, mode, **options: real(content, mode, **options))
    with store.Store(tmp_path / "a.h5") as opened:
        opened.read_students([7])
    assert pixels[7].size <= content.count < 1.5 * pixels[7].size


@pytest.mark.parametrize("number", [0, 1, 3, "2"])
def test_store_of_another_format_is_refused(written: Path, number: object) -> None:
    with h5py.File(written, "r+") as file:
        file.attrs["format"] = number
    with pytest.raises(errors.ShoepairError, match="expected a store of format 2\ndelete it and run `dvc repro norm"):
        store.Store(written)


def test_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_bytes(b"junk")
    with pytest.raises(errors.ShoepairError, match=r"a\.h5: not an HDF5 file"):
        store.Store(tmp_path / "a.h5")
    with pytest.raises(errors.ShoepairError, match=r"b\.h5: missing"):
        store.Store(tmp_path / "b.h5")
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file.attrs["format"] = store.FORMAT_VERSION
    with pytest.raises(errors.ShoepairError, match="no dataset /images, or only a link to one"):
        store.Store(tmp_path / "c.h5")


def test_writing_that_fails_leaves_the_old_file_and_nothing_else(written: Path) -> None:
    def broken() -> Iterator[NDArray[np.uint8]]:
        yield PIXELS[0]
        reason = "the disk is gone"
        raise OSError(reason)

    before = written.read_bytes()
    with pytest.raises(OSError, match="the disk is gone"):
        store.write_store(written, NAMES, broken(), 16)
    assert written.read_bytes() == before
    assert list(written.parent.iterdir()) == [written]


def test_batch_is_left_above_right_height_before_width_and_channels_last() -> None:
    data = pair_dataset.make_standard_pair_dataset(PIXELS)
    images, labels = data.get_mini_batch(torch.arange(len(data)))
    assert images.shape == (24, 3, 32, 16)
    assert images.is_contiguous(memory_format=torch.channels_last)
    for image, label, (student, left, right) in zip(images, labels, data.pair_index, strict=True):
        above, below = PIXELS[student, left, 0], PIXELS[student, right, 1]
        expected = store.scale_to_centred_float(np.concatenate([above, below]).transpose(2, 0, 1))
        assert (image.numpy() == expected).all()
        assert int(label) == int(left == right)


def test_pairs_of_an_array_are_those_of_the_assignment() -> None:
    data = pair_dataset.make_standard_pair_dataset(store.scale_to_centred_float(PIXELS))
    images, labels = data.get_mini_batch(torch.arange(len(data)))
    stacked = images.permute(0, 2, 3, 1).numpy()
    for label, generate in ((1, pair_table.generate_same_pair), (0, pair_table.generate_different_pair)):
        expected = generate(store.scale_to_centred_float(PIXELS))
        assert (stacked[labels == label] == expected).all()


def test_students_of_several_batches_keep_their_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store.write_store(paths.store_path("a"), NAMES[:2], PIXELS[:2], 16)
    store.write_store(paths.store_path("b"), NAMES[2:], PIXELS[2:], 16)
    rows = pd.DataFrame({"batch": ["b", "a", "b"], "row": [1, 0, 0], "left": [1, 2, 3], "right": [1, 3, 3]})
    rows = rows.assign(student=[NAMES[3], NAMES[0], NAMES[2]], same=[1, 0, 1])
    data = loading.load_pairs_in_memory(rows)
    images, _ = data.get_mini_batch(torch.arange(3))
    for image, student, left, right in zip(images, (3, 0, 2), (0, 1, 2), (0, 2, 2), strict=True):
        both = np.concatenate([PIXELS[student, left, 0], PIXELS[student, right, 1]])
        assert (image.numpy() == store.scale_to_centred_float(both.transpose(2, 0, 1))).all()


@pytest.mark.parametrize(
    ("rows", "student"), [([2], "u1"), ([10**9], "u1"), ([1], NAMES[0]), ([0, 0], NAMES[0]), ([2**62], NAMES[0])]
)
def test_table_whose_rows_are_not_those_of_the_store_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[int], student: str
) -> None:
    monkeypatch.chdir(tmp_path)
    store.write_store(paths.store_path("a"), NAMES[:2], PIXELS[:2], 16)
    table = pd.DataFrame({"batch": "a", "row": rows, "student": student})
    with pytest.raises(
        errors.ShoepairError, match=r"^data/store/a\.h5: row \d+ is .*, but a table says .*\nrun `dvc repro`"
    ):
        list(photo_loading.iter_student_photos(table))
    with (
        store.Store(paths.store_path("a")) as opened,
        pytest.raises(errors.ShoepairError, match="the store has 2 students"),
    ):
        opened.read_students([0, 10**9])


def test_photos_are_held_once_as_bytes() -> None:
    data = pair_dataset.make_standard_pair_dataset(PIXELS)
    assert data.images.dtype == torch.uint8
    assert data.images.nbytes == PIXELS.nbytes


def test_bytes_do_not_depend_on_the_time_of_writing(written: Path, tmp_path: Path) -> None:
    time.sleep(1.1)  # HDF5 keeps times in whole seconds
    store.write_store(tmp_path / "later.h5", NAMES, PIXELS, 16)
    assert (tmp_path / "later.h5").read_bytes() == written.read_bytes()


@pytest.mark.parametrize("count", [3, 5])
def test_photos_of_more_or_fewer_students_than_named_write_nothing(tmp_path: Path, count: int) -> None:
    with pytest.raises(ValueError, match=r"zip\(\)"):
        store.write_store(tmp_path / "a.h5", NAMES, (PIXELS[row % 4] for row in range(count)), 16)
    assert list(tmp_path.iterdir()) == []


def test_images_that_are_not_bytes_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["format"] = store.FORMAT_VERSION
        file["images"] = np.zeros((1, 3, 2, 16, 16, 3), np.float32)
        file["student"] = np.array(["u001"], "S")
    with pytest.raises(errors.ShoepairError, match=r"no images of \(N, 3, 2, S, S, 3\) bytes in it"):
        store.Store(tmp_path / "a.h5")


def test_refused_store_is_not_kept_open(written: Path) -> None:
    with h5py.File(written, "r+") as file:
        file.attrs["format"] = 1
    with pytest.raises(errors.ShoepairError) as caught:
        store.Store(written)
    with h5py.File(written, "r+") as file:  # HDF5 does not open for writing what is open for reading
        file.attrs["format"] = store.FORMAT_VERSION
    assert caught.value.fix == "delete it and run `dvc repro normalize@a`, which rebuilds it"
    with store.Store(written) as opened:
        assert len(opened) == 4


def test_no_rows_are_no_photos(written: Path) -> None:
    with store.Store(written) as opened:
        assert opened.read_students([]).shape == (0, 3, 2, 16, 16, 3)


SHAPE = (1, 3, 2, 16, 16, 3)


def external_link(file: h5py.File, secret: Path) -> None:
    file["images"] = h5py.ExternalLink(str(secret), "/images")


def soft_link(file: h5py.File, secret: Path) -> None:  # noqa: ARG001
    file["elsewhere"] = np.zeros(SHAPE, np.uint8)
    file["images"] = h5py.SoftLink("/elsewhere")


def external_data(file: h5py.File, secret: Path) -> None:
    file.create_dataset("images", SHAPE, np.uint8, external=[(str(secret), 0, np.prod(SHAPE))])


def virtual_data(file: h5py.File, secret: Path) -> None:
    layout = h5py.VirtualLayout(SHAPE, np.uint8)
    layout[:] = h5py.VirtualSource(str(secret), "images", SHAPE)
    file.create_virtual_dataset("images", layout)


def compressed(file: h5py.File, secret: Path) -> None:  # noqa: ARG001
    file.create_dataset("images", SHAPE, np.uint8, chunks=SHAPE, compression="gzip")


def huge_claim(file: h5py.File, secret: Path) -> None:  # noqa: ARG001
    file.create_dataset("images", (10**9, *SHAPE[1:]), np.uint8, chunks=SHAPE)


def huge_chunk(file: h5py.File, secret: Path) -> None:  # noqa: ARG001
    file.create_dataset("images", SHAPE, np.uint8, chunks=(1000, *SHAPE[1:]), maxshape=(None, *SHAPE[1:]))


def not_square(file: h5py.File, secret: Path) -> None:  # noqa: ARG001
    file.create_dataset("images", (1, 3, 2, 16, 8, 3), np.uint8, chunks=(1, 3, 2, 16, 8, 3))


def group(file: h5py.File, secret: Path) -> None:  # noqa: ARG001
    file.create_group("images")


@pytest.mark.parametrize(
    "forge",
    [external_link, soft_link, external_data, virtual_data, compressed, huge_claim, huge_chunk, not_square, group],
)
def test_forged_store_is_refused(tmp_path: Path, forge: Callable[[h5py.File, Path], None]) -> None:
    secret = tmp_path / "secret.h5"
    store.write_store(secret, ["u001"], [np.full(SHAPE[1:], 7, np.uint8)], 16)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["format"] = store.FORMAT_VERSION
        file["student"] = np.array(["u001"], "S")
        forge(file, secret)
    with pytest.raises(errors.ShoepairError, match="expected a store of format 2\ndelete it and run"):
        store.Store(tmp_path / "a.h5")


@pytest.mark.parametrize("names", [np.array(["u001", "u002"], "S"), [1], np.array([["u001"]], "S"), ["u001"]])
def test_store_with_other_names_than_photos_is_refused(tmp_path: Path, names: object) -> None:
    store.write_store(tmp_path / "a.h5", ["u001"], [np.zeros(SHAPE[1:], np.uint8)], 16)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        del file["student"]
        file["student"] = names
    with pytest.raises(errors.ShoepairError, match="1 student in /images, not as many names in /student"):
        store.Store(tmp_path / "a.h5")


@pytest.mark.parametrize("names", [b"u002u001", b"u001u001", b"u001\0\0\0\0", b"u001u\xff02", b"u001v002"])
def test_damaged_names_are_refused(tmp_path: Path, names: bytes) -> None:
    path = tmp_path / "batch.h5"
    store.write_store(path, ["u001", "u002"], np.zeros((2, *SHAPE[1:]), np.uint8), 16)
    content = path.read_bytes()
    assert content.count(b"u001u002") == 1
    path.write_bytes(content.replace(b"u001u002", names))
    with store.Store(path) as opened, pytest.raises(errors.ShoepairError, match=r"damaged \(student ids"):
        assert opened.student_ids


def test_names_that_claim_more_than_the_file_holds_are_refused(tmp_path: Path) -> None:
    store.write_store(tmp_path / "a.h5", ["u001"], np.zeros(SHAPE, np.uint8), 16)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        del file["student"]
        file.create_dataset("student", (1,), "S1000000000")
    with pytest.raises(errors.ShoepairError, match="not as many names in /student"):
        store.Store(tmp_path / "a.h5")


def lock_error(number: int) -> OSError:
    """The error that h5py raises where a lock fails."""
    return OSError(number, f"Unable to synchronously open file (unable to lock file, errno = {number}, error ...)")


def test_store_that_another_program_holds_for_writing_is_named_with_the_program(written: Path) -> None:
    """As by a notebook in r+: HDF5 locks the file; other libraries, such as PyTables, lock it the same way."""
    with written.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(errors.ShoepairError) as caught:
            store.Store(written)
    assert caught.value.message == f"{written}: open for writing in this program"
    assert caught.value.fix.startswith("close it there (in a notebook by `close()`, or restart its kernel)")
    with store.Store(written) as opened:
        assert opened.student_ids == NAMES


def test_store_that_is_open_for_reading_elsewhere_is_read(written: Path) -> None:
    with written.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        with store.Store(written) as opened:
            assert opened.student_ids == NAMES


def test_store_that_the_own_notebook_has_open_is_read(written: Path) -> None:
    with h5py.File(written, "r+"), store.Store(written) as opened:
        assert opened.student_ids == NAMES


def leave_open_for_writing(path: Path) -> None:
    """Leave the mark of a program that opened a store for writing and was killed."""
    with h5py.File(path, "r+") as file:
        file.flush()
        content = path.read_bytes()
    path.write_bytes(content)


def test_store_that_a_killed_program_had_open_for_writing_is_told_from_damage(written: Path) -> None:
    leave_open_for_writing(written)
    with pytest.raises(errors.ShoepairError) as caught:
        store.Store(written)
    assert caught.value.message == f"{written}: opened for writing by a program that has not closed it"
    assert caught.value.fix == (
        "if that program still runs, close it; else run `dvc repro normalize@a`, which rebuilds the store"
    )


def test_store_that_a_program_holds_without_a_lock_is_not_called_damaged(written: Path) -> None:
    leave_open_for_writing(written)  # by a notebook with HDF5_USE_FILE_LOCKING=FALSE
    with written.open("r+b"), pytest.raises(errors.ShoepairError) as caught:
        store.Store(written)
    assert caught.value.message == f"{written}: open for writing in this program"


@pytest.mark.parametrize("name", ["ENOLCK", "ENOSYS", "EOPNOTSUPP", "EDEADLK"])
def test_store_on_a_disk_without_locks_is_read(written: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    real = h5py.File

    def fail_with_lock(path: Path, mode: str, *, locking: bool | None = None, **options: int) -> h5py.File:
        if locking is not False:
            raise lock_error(getattr(errno, name))
        return real(path, mode, locking=False, **options)

    monkeypatch.setattr(h5py, "File", fail_with_lock)
    with store.Store(written) as opened:
        assert opened.student_ids == NAMES


@pytest.mark.parametrize("name", ["EIO", "EACCES", "EMFILE", "ESTALE", "ENOSPC", "EAGAIN", "ENOMEM"])
def test_error_of_the_system_while_photos_are_read_is_no_damage(
    written: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def fail(*_arguments: object) -> None:
        raise OSError(getattr(errno, name), f"Can't synchronously read data (file read failed: errno = {name}, ...)")

    with store.Store(written) as opened:
        monkeypatch.setattr(h5py.Dataset, "read_direct", fail)
        with pytest.raises(OSError, match=re.escape(os.strerror(getattr(errno, name)))) as caught:
            opened.read_students([0])
    assert (caught.value.errno, caught.value.filename) == (getattr(errno, name), str(written))


def test_store_can_be_written_while_another_program_holds_the_old_one(written: Path) -> None:
    """Nothing of either is lost: the new store is complete, and the notebook keeps what it has open."""
    for mode in ("r", "r+"):
        with h5py.File(written, mode) as held:
            store.write_store(written, NAMES[:2], PIXELS[:2], 16)
            assert len(held["student"]) == 4
            if mode == "r+":
                held["images"][0] = 0
        with store.Store(written) as opened:
            assert (opened.read_students([0, 1]) == PIXELS[:2]).all()
        store.write_store(written, NAMES, PIXELS, 16)
