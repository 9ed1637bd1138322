"""An error of the system that has a number is the machine's: no reader of any kind of file calls the file damaged."""

from __future__ import annotations

import builtins
import errno
import io
import os
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest

from shoepair.data import parquet_files, schemas
from shoepair.data.store import Store
from shoepair.ingestion import decoding
from shoepair.models import registry
from shoepair.reports import results
from shoepair.runtime import checked_files, errors, file_digests, json_files, parameter_files, storage, yaml_files

READERS: dict[str, Callable[[Path], object]] = {
    "store": Store,
    "table": lambda path: parquet_files.read_table(path, schemas.Pairs),
    "any table": parquet_files.read_any_table,
    "JSON": lambda path: json_files.read_json(path, "delete it"),
    "YAML": lambda path: yaml_files.read_mapping(path, "delete it"),
    "parameters": parameter_files.read_yaml,
    "curve": results._read_curve,
    "weights": lambda path: registry._read_weights(path, {}, "delete it"),
    "checkpoint": checked_files.read_checked,
    "photo of a user": lambda path: decoding.decode_photo(path, 16),
    "photo of a table": lambda path: list(storage.read_photos([storage.PhotoFile(path, 1, "")])),
    "digest": file_digests.compute_md5,
}
NAMES = ("EIO", "EACCES", "ENOSPC", "EMFILE", "ENFILE", "ENOLCK", "ESTALE", "EAGAIN", "ENOMEM")


def message_of(read: Callable[[Path], object], path: Path) -> str:
    with pytest.raises((OSError, errors.ShoepairError)) as caught:
        read(path)
    return str(errors.from_os_error(caught.value) if isinstance(caught.value, OSError) else caught.value)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("reader", READERS)
def test_error_of_the_system_is_told_in_its_words(
    reader: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, number = tmp_path / "a.h5", getattr(errno, name)
    path.write_bytes(b"1")

    def refuse(opened: object, *_arguments: object, **_options: object) -> None:
        raise OSError(number, os.strerror(number), str(opened))

    def refuse_as_h5py(*_arguments: object, **_options: object) -> None:
        reason = f"Unable to synchronously open file (unable to open file: errno = {number})"
        raise OSError(number, reason)

    with monkeypatch.context() as patch:
        patch.setattr(io, "open", refuse)
        patch.setattr(builtins, "open", refuse)
        patch.setattr(h5py, "File", refuse_as_h5py)
        message = message_of(READERS[reader], path)
    assert message.startswith(f"{path}: {os.strerror(number)}\n")
    assert "damaged" not in message
    assert "delete" not in message
    assert path.read_bytes() == b"1"


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="a file that really fails, on Linux alone")
@pytest.mark.parametrize("reader", sorted(set(READERS) - {"photo of a user", "photo of a table"}))
def test_real_error_of_the_kernel_is_told_in_its_words(reader: str, tmp_path: Path) -> None:
    """The first byte of a process's memory cannot be read: the kernel says EIO."""
    path = tmp_path / "a.h5"
    path.symlink_to("/proc/self/mem")
    message = message_of(READERS[reader], path)
    assert os.strerror(errno.EIO) in message
    assert "damaged" not in message
    assert "delete" not in message
