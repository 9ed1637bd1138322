"""Mutated input for everything that reads what strangers wrote: photos, file names, archives, stores.

    python -m benchmarks.fuzz [--executions 1000000] [--seed 1] [--workers 2] [--json FILE]

Sound inputs are damaged at random (bytes and numbers overwritten, pieces cut, doubled, swapped between inputs) and
given to the reader. It may return, or refuse by the project's own errors. Anything else is a finding: another
exception, a crash, more than 2 seconds, more than 1 GB. A finding's input is written to tests/regressions/<target>/,
where the test suite reads it ever after. The same seed gives the same inputs.
"""

from __future__ import annotations

import argparse
import faulthandler
import hashlib
import io
import json
import mmap
import multiprocessing
import os
import resource
import signal
import struct
import sys
import tarfile
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType

import numpy as np
from PIL import Image, ImageCms

from shoepair.commands.collection import archives
from shoepair.data import naming, store
from shoepair.ingestion import decode
from shoepair.runtime.errors import ShoepairError

REGRESSIONS = Path(__file__).parent.parent / "tests/regressions"
SHARES = {"photo": 0.45, "name": 0.35, "archive": 0.1, "store": 0.1}  # of the executions
SECONDS = 2  # that one execution may take
MEMORY = 2**30  # bytes that a worker may grow by
PIECE = 2_000  # executions of one worker process
LIMIT = 2**20  # bytes of an input
EDGE = 16
REFUSALS = (ShoepairError, naming.PhotoError)
NUMBERS = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1]


@dataclass
class Result:
    """What came of a target."""

    executions: int = 0
    accepted: int = 0  # inputs that were still sound, or good enough
    findings: dict[str, str] = field(default_factory=dict)  # file -> what happened


class _SlowError(BaseException):
    """No Exception: a reader that catches everything must not catch this."""


def photo_seeds() -> list[bytes]:
    """Small pictures of every format, mode and kind of extra block."""
    rng = np.random.default_rng(1)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "camera"
    exif.get_ifd(0x8825)[0x001D] = "2026:01:01"
    found = []
    for mode, encoding in [(m, "PNG") for m in ("RGB", "RGBA", "P", "L", "LA", "1", "I;16")] + [
        *[(m, "JPEG") for m in ("RGB", "L", "CMYK")],
        *[(m, "WEBP") for m in ("RGB", "RGBA")],
    ]:
        noise = Image.fromarray(rng.integers(0, 256, (24, 20, 4), np.uint8))
        image = noise.convert("L").convert(mode) if mode == "I;16" else noise.convert("RGB").convert(mode)
        for extra in ({}, {"exif": exif, "icc_profile": _profile()}):
            buffer = io.BytesIO()
            image.save(buffer, encoding, **extra)
            found.append(buffer.getvalue())
    return found


def _profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def name_seeds() -> list[bytes]:
    """Names, sound ones and others."""
    return [b"u052_3_left_w.png", b"u1_1_right_m.jpg", b"U052_1_left_m.JPG", "u٥_1_left_m.jpg".encode(), b"._u1", b""]


def archive_seeds() -> list[bytes]:
    """Zip and tar files, plain and compressed."""
    members = {"train/u001_1_left_m.jpg": b"x" * 90, "train/u001_1_right_m.jpg": b"y" * 50, "train/.DS_Store": b"z"}
    found = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as zipped:
            for name, data in members.items():
                zipped.writestr(name, data)
        found.append(buffer.getvalue())
    for mode in ("w", "w:gz", "w:bz2", "w:xz"):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode=mode) as tarred:
            for name, data in members.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tarred.addfile(member, io.BytesIO(data))
        found.append(buffer.getvalue())
    return found


def store_seeds() -> list[bytes]:
    """Stores of one and two students."""
    found = []
    with tempfile.TemporaryDirectory() as place:
        for students in (1, 2):
            path = Path(place) / "a.h5"
            images = [np.full((*store.STUDENT_SHAPE, EDGE, EDGE, 3), number, np.uint8) for number in range(students)]
            store.write(path, [f"u{number:03}" for number in range(students)], images, EDGE)
            found.append(path.read_bytes())
    return found


def read_photo(data: bytes, place: Path) -> None:
    """Decode it."""
    path = place / "a.jpg"
    path.write_bytes(data)
    got = decode.decode_photo(path, EDGE)
    if got.pixels.shape != (EDGE, EDGE, 3) or got.pixels.dtype != np.uint8:
        message = f"pixels of shape {got.pixels.shape}"
        raise AssertionError(message)


def read_name(data: bytes, place: Path) -> None:  # noqa: ARG001  # a reader as the others
    """Parse it."""
    text = os.fsdecode(data)
    naming.owner(text)
    name = naming.parse(text)
    if name.pair not in naming.PAIRS or naming.owner(text) != name.student:
        message = f"{name}"
        raise AssertionError(message)


def read_archive(data: bytes, place: Path) -> None:
    """Unpack it; nothing may come out beside the folder."""
    path = place / "a.zip"
    path.write_bytes(data)
    before = set(place.iterdir())
    with archives.opened(path, members=1000, limit=2**24) as folder:
        for each in folder.rglob("*"):
            if each.is_symlink() or not (each.is_dir() or each.is_file()):
                message = f"{each} came out"
                raise AssertionError(message)
    if set(place.iterdir()) != before:
        message = "something came out beside the folder"
        raise AssertionError(message)


def read_store(data: bytes, place: Path) -> None:
    """Open it and read everything."""
    path = place / "a.h5"
    path.write_bytes(data)
    with store.Store(path) as opened:
        students = opened.students
        pixels = opened.read(list(range(len(opened))))
        if len(students) != len(pixels):
            message = f"{len(students)} students, {len(pixels)} photos"
            raise AssertionError(message)


Reader = Callable[[bytes, Path], None]
TARGETS: dict[str, tuple[Callable[[], list[bytes]], Reader]] = {
    "photo": (photo_seeds, read_photo),
    "name": (name_seeds, read_name),
    "archive": (archive_seeds, read_archive),
    "store": (store_seeds, read_store),
}


def mutated(seeds: list[bytes], rng: np.random.Generator) -> bytes:
    """One damaged input."""
    data = bytearray(seeds[rng.integers(len(seeds))])
    for _ in range(1 + int(rng.geometric(0.4))):
        place = int(rng.integers(len(data) + 1))
        length = int(min(rng.geometric(0.1), 64))
        match int(rng.integers(6)):
            case 0:
                data[place : place + 1] = rng.bytes(1)
            case 1:
                width, order = rng.choice(["B", "H", "I", "Q"]), rng.choice(["<", ">"])
                number = NUMBERS[rng.integers(len(NUMBERS))] & (256 ** struct.calcsize(width) - 1)
                piece = struct.pack(f"{order}{width}", number)
                data[place : place + len(piece)] = piece
            case 2:
                del data[place : place + length]
            case 3:
                data[place:place] = data[place : place + length]
            case 4:
                other = seeds[rng.integers(len(seeds))]
                start = int(rng.integers(len(other) + 1))
                data[place : place + length] = other[start : start + length]
            case _:
                del data[place:]
    return bytes(data[:LIMIT])


def _work(target: str, seed: int, first: int, count: int, note: mmap.mmap, counts: mmap.mmap) -> None:
    """Some executions, in a process of their own; what is being worked stands in `note`, in case it kills us."""
    seeds, read = TARGETS[target][0](), TARGETS[target][1]
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_mapped() + MEMORY, hard))
    signal.signal(signal.SIGALRM, _too_slow)
    warnings.simplefilter("ignore")  # Pillow warns of odd EXIF entries and goes on
    accepted = 0
    with tempfile.TemporaryDirectory(dir=_fast()) as place:
        for number in range(first, first + count):
            data = mutated(seeds, np.random.default_rng([seed, number]))
            note[:8], note[8 : 8 + len(data)] = struct.pack("<Q", len(data)), data
            signal.setitimer(signal.ITIMER_REAL, SECONDS)
            try:
                read(data, Path(place))
                accepted += 1
            except REFUSALS:
                pass
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            counts[:16] = struct.pack("<QQ", number + 1 - first, accepted)


def _mapped() -> int:
    """Bytes of address space of this process."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _fast() -> str | None:
    """A folder in memory, where there is one."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _too_slow(_number: int, _frame: FrameType | None) -> None:
    message = f"more than {SECONDS} s"
    raise _SlowError(message)


class _Worker:
    """A process that works a piece of a target; started anew after a finding, past it."""

    def __init__(self, target: str, seed: int, first: int, count: int) -> None:
        self.target, self.seed, self.first, self.left = target, seed, first, count
        self.note, self.counts = mmap.mmap(-1, LIMIT + 8), mmap.mmap(-1, 16)
        self.words = tempfile.TemporaryFile("w+")  # noqa: SIM115  # the worker's processes write, poll reads
        self.process: BaseProcess = self._started()

    def _started(self) -> BaseProcess:
        self.counts[:16] = bytes(16)
        self.words.seek(0)
        self.words.truncate()
        self.seen, self.since = 0, time.monotonic()
        process = multiprocessing.get_context("fork").Process(target=self._run)
        process.start()
        return process

    def _run(self) -> None:
        os.dup2(self.words.fileno(), 2)  # what libraries write when they give up
        faulthandler.disable()  # a crash is told by the exit status
        try:
            _work(self.target, self.seed, self.first, self.left, self.note, self.counts)
        except BaseException as error:  # noqa: BLE001  # whatever it is, it is the finding
            self.words.write(f"{type(error).__name__}: {error}\n")
            self.words.flush()
            os._exit(1)

    def poll(self, result: Result) -> bool:
        """Whether it is done; findings and counts go into the result."""
        done, accepted = struct.unpack("<QQ", self.counts[:16])
        if done != self.seen:
            self.seen, self.since = done, time.monotonic()
        hangs = self.process.is_alive() and time.monotonic() - self.since > 10 * SECONDS
        if hangs:  # in a library's own code, where no signal reaches it
            self.process.kill()
            self.process.join()
        if self.process.is_alive():
            return False
        self.process.join()
        result.executions += done
        result.accepted += accepted
        if self.process.exitcode == 0:
            self.words.close()
            return True
        result.executions += 1
        (length,) = struct.unpack("<Q", self.note[:8])
        data = self.note[8 : 8 + length]
        self.words.seek(0)
        words = (self.words.read().strip().splitlines() or [f"exit status {self.process.exitcode}"])[-1]
        path = REGRESSIONS / self.target / hashlib.sha256(data).hexdigest()[:16]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        result.findings[str(path.relative_to(REGRESSIONS))] = "hangs" if hangs else words
        self.first, self.left = self.first + done + 1, self.left - done - 1
        if self.left > 0:
            self.process = self._started()
            return False
        self.words.close()
        return True


def _pieces(executions: int) -> Iterator[tuple[str, int, int]]:
    for target, share in SHARES.items():
        total = round(executions * share)
        for first in range(0, total, PIECE):
            yield target, first, min(PIECE, total - first)


def fuzz(executions: int, seed: int, workers: int) -> dict[str, Result]:
    """All targets.

    Args:
        executions: together.
        seed: of the mutations.
        workers: processes at a time.

    Returns:
        target -> what came of it.
    """
    results = {target: Result() for target in TARGETS}
    todo = _pieces(executions)
    at_work: list[_Worker] = []
    while True:
        at_work = [worker for worker in at_work if not worker.poll(results[worker.target])]
        while len(at_work) < workers and (piece := next(todo, None)):
            at_work.append(_Worker(piece[0], seed, piece[1], piece[2]))
        if not at_work:
            return results
        time.sleep(0.01)


def printed(results: dict[str, Result]) -> str:
    """The table, and every finding."""
    lines = [f"{'target':10} {'executions':>10} {'accepted':>9} {'findings':>8}"]
    for target, got in results.items():
        lines.append(f"{target:10} {got.executions:10,} {got.accepted:9,} {len(got.findings):8}")
    lines.append(f"{'all':10} {sum(got.executions for got in results.values()):10,}")
    return "\n".join([*lines, *(f"{path}: {what}" for got in results.values() for path, what in got.findings.items())])


def main() -> None:
    """Read the words of the command line, fuzz, print; exit status 1 if there is a finding."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--executions", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the numbers here")
    given = parser.parse_args()
    results = fuzz(given.executions, given.seed, given.workers)
    if given.json:
        given.json.write_text(json.dumps({name: asdict(got) for name, got in results.items()}, indent=2) + "\n")
    print(printed(results))
    sys.exit(any(got.findings for got in results.values()))


if __name__ == "__main__":
    main()
