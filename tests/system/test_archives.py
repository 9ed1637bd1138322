"""Archives in real processes: the memory that hostile ones take, and what stays when `shoepair add` is ended."""

from __future__ import annotations

import gzip
import shutil
import struct
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support.commands import CLI, Run, use_real_programs
from support.field import ROOT, copy_project, write_class

from benchmarks import fuzz_archives
from shoepair.commands import doctor
from shoepair.commands.collection import zip_members
from shoepair.runtime import paths

MEMORY = 128 * 2**20  # bytes that unpacking may take here, at most; 300 MB are promised
LARGE = 160 * 2**20  # unpacked
END = bytes(2 * tarfile.BLOCKSIZE)
OPEN = f"""
import resource, sys
from pathlib import Path
from shoepair.commands.collection import archives
from shoepair.runtime.errors import ShoepairError
pages = int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + {MEMORY}, resource.RLIM_INFINITY))
for path in map(Path, sys.argv[1:]):
    try:
        with archives.open_photo_folder(path):
            print(path, "opened")
    except ShoepairError as error:
        print(error.message)
"""
END_AT = """
import os, signal, sys, time
from shoepair.commands import dvc_records, main
from shoepair.commands.collection import add
signal.signal(signal.SIGHUP, signal.SIG_DFL)
def end(*_, **__):
    os.kill(os.getpid(), signal.{signal})
    time.sleep(5)
{moment} = end
sys.argv = ["shoepair", "add", *sys.argv[1:]]
main.main()
"""


def make_zip(path: Path, method: int) -> None:
    with zipfile.ZipFile(path, "w", method, compresslevel=1) as archive:
        archive.writestr("train/zeros", bytes(LARGE))


def make_zip_of_many(path: Path) -> None:
    """Write a zip whose list of members is as long as allowed, without members."""
    count = zip_members.MAX_DIRECTORY_BYTES // 49
    entry = struct.Struct("<4s6H3I5H2I3s")
    listed = b"".join(
        entry.pack(b"PK\1\2", 20, 20, 0, 0, 0, 0x21, 0, 0, 0, 3, 0, 0, 0, 0, 0, 30 * number, b"%03x" % (number % 4096))
        for number in range(count)
    )
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, len(listed), 30 * count, 0)
    path.write_bytes(b"PK\3\4".ljust(30 * count, b"\0") + listed + end)


def make_tar(path: Path, content: bytes, file_type: bytes = tarfile.REGTYPE, times: int = 1) -> None:
    info = tarfile.TarInfo("train/zeros")
    info.type, info.size = file_type, len(content)
    padded = info.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % tarfile.BLOCKSIZE)
    path.write_bytes(gzip.compress(padded * times + END, 1))


def make_xz(path: Path, code: int) -> None:
    path.write_bytes(fuzz_archives.xz_with_dictionary(code, tarfile.TarInfo("a").tobuf() + END))


HOSTILE: dict[str, tuple[Callable[[Path], None], str]] = {
    "bzip2.zip": (lambda path: make_zip(path, zipfile.ZIP_BZIP2), "compressed by bzip2, expected deflate"),
    "deflate.zip": (lambda path: make_zip(path, zipfile.ZIP_DEFLATED), "more than 67108864 bytes unpacked"),
    "list.zip": (make_zip_of_many, "not a complete zip"),
    "zeros.tar": (lambda path: make_tar(path, bytes(LARGE)), "more than 67108864 bytes unpacked"),
    "dictionary.tar": (lambda path: make_xz(path, 40), "xz needs more than"),  # of 4 GiB
    "dictionary of xz -9.tar": (lambda path: make_xz(path, 28), "opened"),
    "keys.tar": (lambda path: make_tar(path, b"2 " * 2**18 + b"=", tarfile.XHDTYPE), "a damaged record"),
    "header.tar": (lambda path: make_tar(path, bytes(LARGE), tarfile.XHDTYPE), "a header of 167772160 bytes"),
    "names.tar": (lambda path: make_tar(path, b"a" * 2**20, tarfile.GNUTYPE_LONGNAME, 100), "more than 16 headers"),
}


def test_hostile_archives_take_little_memory(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    use_real_programs(monkeypatch)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    for name, (make, _) in HOSTILE.items():
        make(tmp_path / name)
    lines = run(sys.executable, "-c", OPEN, *HOSTILE).stdout.splitlines()
    for (name, (_, text)), line in zip(HOSTILE.items(), lines, strict=True):
        assert line.startswith(name)
        assert text in line
    assert list(paths.RAW_FOLDER.iterdir()) == []


@pytest.mark.parametrize(
    ("signal", "moment", "words"),
    [
        ("SIGTERM", "add.validation.validate_batch_or_raise", ["--dry-run"]),
        ("SIGHUP", "add.shutil.copyfile", []),
        ("SIGTERM", "dvc_records.dvc_add", []),
        ("SIGKILL", "add.validation.validate_batch_or_raise", ["--dry-run"]),
        ("SIGKILL", "add.shutil.copyfile", []),
    ],
)
def test_nothing_of_an_archive_stays_when_its_arrival_is_ended(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, signal: str, moment: str, words: list[str]
) -> None:
    use_real_programs(monkeypatch)
    system_folder = tmp_path / "temporary"
    system_folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(system_folder))
    monkeypatch.chdir(copy_project(tmp_path / "project"))
    run("git", "init", "-q")
    run("dvc", "init", "-q")
    write_class(tmp_path / "class", {"train": ("u300", "u301")})
    shutil.make_archive(str(tmp_path / "class"), "zip", tmp_path / "class")
    status = {"SIGTERM": 143, "SIGHUP": 129, "SIGKILL": -9}[signal]
    program = END_AT.format(signal=signal, moment=moment)
    done = run(sys.executable, "-c", program, str(tmp_path / "class.zip"), "--name", "new", *words, status=status)
    assert list(system_folder.iterdir()) == []
    left = [path for path in paths.RAW_FOLDER.iterdir() if path.name != "tiny"]
    assert not paths.raw_path("new").exists(), "a half-copied class under its name"
    if signal == "SIGKILL":
        assert left
        if words:
            said = run(*CLI, "add", str(tmp_path / "class.zip"), "--name", "new", "--dry-run").stdout
            assert "valid, can be added" in said
        else:
            assert sorted(doctor.repair_project()) == sorted(
                f"{path}: photos of a `shoepair add` that was killed; deleted" for path in left
            )
    else:
        assert done.stderr == "stopped: nothing was added\n"
    assert [path.name for path in paths.RAW_FOLDER.iterdir()] == ["tiny"]
    assert not paths.ADD_JOURNAL.exists()
