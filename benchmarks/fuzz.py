"""Mutated input for everything that reads untrusted files: photos, names, archives, stores, tables, cards, lists.

    python -m benchmarks.fuzz [--executions 1000000] [--seed 1] [--workers 2] [--target NAME] [--json FILE]

Valid inputs are damaged at random (bytes and numbers overwritten, parts cut, doubled, swapped between inputs) and
given to the reader. It may return, or refuse by the project's own errors. Anything else is a finding: another
exception, a crash, more than 2 seconds of processor time, more than 1 GB (archives: 300 MB). A finding's input is
written to tests/regressions/<target>/, which the test suite reads from then on. The same seed gives the same inputs.
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
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType

import numpy as np
from PIL import Image, ImageCms

from benchmarks import costly_photos, fuzz_archives, fuzz_files, heif_files
from shoepair.data import naming, store
from shoepair.ingestion import decoding
from shoepair.runtime.errors import ShoepairError

REGRESSIONS = Path(__file__).parent.parent / "tests/regressions"
SHARES = {  # of the executions
    **{"photo": 0.4, "name": 0.3, "archive": 0.1, "store": 0.05},
    **{"table": 0.05, "card": 0.03, "decision": 0.03, "list": 0.03, "record": 0.01},
}
SECONDS = 2.0  # of processor time, limit of one execution; the same on a busy machine
MEMORY = {"archive": fuzz_archives.MEMORY}  # bytes that a worker may allocate
DEFAULT_MEMORY = 2**30
CHUNK = 2_000  # executions of one worker process
LIMIT = 2**20  # bytes of an input
EDGE = 16
FINE_SHARE = 0.7  # of the inputs of targets in fuzz_files.py
REFUSALS = (ShoepairError, naming.PhotoError)
NUMBERS = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1]


@dataclass
class Result:
    """Counts and findings of a target."""

    executions: int = 0
    accepted: int = 0  # inputs that were still valid enough
    findings: dict[str, str] = field(default_factory=dict)  # file -> error


class _SlowError(BaseException):
    """Raised after the time limit; no `Exception`, so that no reader catches it."""


def photo_seeds() -> list[bytes]:
    """Return small pictures of every format, mode and kind of extra block, and such that ask for much work."""
    rng = np.random.default_rng(1)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "camera"
    exif.get_ifd(0x8825)[0x001D] = "2026:01:01"
    seeds = []
    for mode, encoding in [(m, "PNG") for m in ("RGB", "RGBA", "P", "L", "LA", "1", "I;16")] + [
        *[(m, "JPEG") for m in ("RGB", "L", "CMYK")],
        *[(m, "WEBP") for m in ("RGB", "RGBA")],
    ]:
        noise = Image.fromarray(rng.integers(0, 256, (24, 20, 4), np.uint8))
        image = noise.convert("L").convert(mode) if mode == "I;16" else noise.convert("RGB").convert(mode)
        for extra in ({}, {"exif": exif, "icc_profile": _profile()}):
            buffer = io.BytesIO()
            image.save(buffer, encoding, **extra)
            seeds.append(buffer.getvalue())
    return seeds + costly_photo_seeds() + heif_files.heif_seeds()


def costly_photo_seeds() -> list[bytes]:
    """Return small pictures with many scans, segments, chunks, frames, packed texts and elements of a profile."""
    segments = costly_photos.make_segment(0xE5, b"") * 300 + costly_photos.make_segment(0xE1, b"Exif\0\0II*\0") * 50
    profile = costly_photos.make_profile(20)
    profile_segment = costly_photos.make_segment(0xE2, b"ICC_PROFILE\0\1\1" + profile)
    return [
        costly_photos.make_jpeg(300, 24, 20),
        costly_photos.make_jpeg(300, 24, 20, costly_photos.ARITHMETIC),
        costly_photos.make_jpeg(3, 24, 20, extra=segments + b"\xff" * 500),
        costly_photos.make_jpeg(3, 24, 20, extra=profile_segment),
        costly_photos.make_png(24, pieces=300),
        *(
            costly_photos.make_png(24, costly_photos.make_packed_text(2**18, kind) * 4)
            for kind in (b"zTXt", b"iTXt", b"iCCP")
        ),
        costly_photos.make_animation("PNG", 20),
        costly_photos.make_animation("WEBP", 20),
        costly_photos.make_webp(24, costly_photos.make_webp_chunk(b"NONE", b"x") * 300),
    ]


def _profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def name_seeds() -> list[bytes]:
    """Return valid and invalid names."""
    return [b"u052_3_left_w.png", b"u1_1_right_m.jpg", b"U052_1_left_m.JPG", "u٥_1_left_m.jpg".encode(), b"._u1", b""]


def store_seeds() -> list[bytes]:
    """Return stores of one and two students."""
    seeds = []
    with tempfile.TemporaryDirectory() as folder:
        for students in (1, 2):
            path = Path(folder) / "a.h5"
            images = [np.full((*store.STUDENT_SHAPE, EDGE, EDGE, 3), number, np.uint8) for number in range(students)]
            store.write_store(path, [f"u{number:03}" for number in range(students)], images, EDGE)
            seeds.append(path.read_bytes())
    return seeds


def read_photo(data: bytes, folder: Path) -> None:  # noqa: ARG001  # the signature of a reader
    """Decode a photo."""
    photo = decoding.decode_photo(data, EDGE)
    if photo.pixels.shape != (EDGE, EDGE, 3) or photo.pixels.dtype != np.uint8:
        message = f"pixels of shape {photo.pixels.shape}"
        raise AssertionError(message)


def read_name(data: bytes, folder: Path) -> None:  # noqa: ARG001  # the signature of a reader
    """Parse a name."""
    text = os.fsdecode(data)
    naming.extract_student_id(text)
    name = naming.parse_photo_name(text)
    if name.pair not in naming.PAIR_NUMBERS or naming.extract_student_id(text) != name.student:
        message = f"{name}"
        raise AssertionError(message)


def read_store(data: bytes, folder: Path) -> None:
    """Open a store and read everything."""
    path = folder / "a.h5"
    path.write_bytes(data)
    with store.Store(path) as opened:
        students = opened.student_ids
        pixels = opened.read_students(list(range(len(opened))))
        if len(students) != len(pixels):
            message = f"{len(students)} students, {len(pixels)} photos"
            raise AssertionError(message)


Reader = Callable[[bytes, Path], None]  # bytes of an input, an empty folder
TARGETS: dict[str, tuple[Callable[[], list[bytes]], Reader]] = {
    "photo": (photo_seeds, read_photo),
    "name": (name_seeds, read_name),
    "archive": (fuzz_archives.archive_seeds, fuzz_archives.read_archive),
    "store": (store_seeds, read_store),
    **fuzz_files.TARGETS,
}


def mutate(seeds: list[bytes], rng: np.random.Generator) -> bytes:
    """Return one damaged input."""
    data = bytearray(seeds[rng.integers(len(seeds))])
    for _ in range(1 + int(rng.geometric(0.4))):
        position = int(rng.integers(len(data) + 1))
        length = int(min(rng.geometric(0.1), 64))
        match int(rng.integers(6)):
            case 0:
                data[position : position + 1] = rng.bytes(1)
            case 1:
                width, order = rng.choice(["B", "H", "I", "Q"]), rng.choice(["<", ">"])
                number = NUMBERS[rng.integers(len(NUMBERS))] & (256 ** struct.calcsize(width) - 1)
                packed = struct.pack(f"{order}{width}", number)
                data[position : position + len(packed)] = packed
            case 2:
                del data[position : position + length]
            case 3:
                data[position:position] = data[position : position + length]
            case 4:
                other = seeds[rng.integers(len(seeds))]
                start = int(rng.integers(len(other) + 1))
                data[position : position + length] = other[start : start + length]
            case _:
                del data[position:]
    return bytes(data[:LIMIT])


def mutate_file(seeds: list[bytes], rng: np.random.Generator) -> bytes:
    """Return one damaged input of a strict form, which random bytes seldom keep: often only its values differ."""
    if rng.random() < FINE_SHARE:
        return fuzz_files.mutate_values(seeds[rng.integers(len(seeds))], rng)
    return mutate(seeds, rng)


# Mutations of targets that need more than random damage.
MUTATORS: dict[str, Callable[[list[bytes], np.random.Generator], bytes]] = {
    "archive": partial(fuzz_archives.mutate_archive, damage=mutate),
    **dict.fromkeys(fuzz_files.TARGETS, mutate_file),
}


def _run_chunk(target: str, seed: int, first: int, count: int, note: mmap.mmap, counts: mmap.mmap) -> None:
    """Run some executions in a separate process; `note` holds the current input, in case it kills the process."""
    seeds, read = TARGETS[target][0](), TARGETS[target][1]
    mutate_seeds = MUTATORS.get(target, mutate)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + MEMORY.get(target, DEFAULT_MEMORY), hard))
    signal.signal(signal.SIGPROF, _raise_too_slow)
    warnings.simplefilter("ignore")  # Pillow warns of odd EXIF entries and goes on
    accepted = 0
    with tempfile.TemporaryDirectory(dir=_memory_folder()) as folder:
        for number in range(first, first + count):
            data = mutate_seeds(seeds, np.random.default_rng([seed, number]))[:LIMIT]
            note[:8], note[8 : 8 + len(data)] = struct.pack("<Q", len(data)), data
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            try:
                read(data, Path(folder))
                accepted += 1
            except REFUSALS:
                pass
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
            counts[:16] = struct.pack("<QQ", number + 1 - first, accepted)


def _address_space() -> int:
    """Return the bytes of address space of this process."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _memory_folder() -> str | None:
    """Return a folder in memory, where there is one."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _raise_too_slow(_number: int, _frame: FrameType | None) -> None:
    message = f"more than {SECONDS:g} s"
    raise _SlowError(message)


class _Worker:
    """A process that runs a chunk of a target; restarted after a finding, behind it."""

    def __init__(self, target: str, seed: int, first: int, count: int) -> None:
        self.target, self.seed, self.first, self.left = target, seed, first, count
        self.note, self.counts = mmap.mmap(-1, LIMIT + 8), mmap.mmap(-1, 16)
        self.stderr = tempfile.TemporaryFile("w+")  # noqa: SIM115  # written by the processes, read by poll
        self.process: BaseProcess = self._start()

    def _start(self) -> BaseProcess:
        self.counts[:16] = bytes(16)
        self.stderr.seek(0)
        self.stderr.truncate()
        self.last_done, self.changed_at = 0, time.monotonic()
        process = multiprocessing.get_context("fork").Process(target=self._run)
        process.start()
        return process

    def _run(self) -> None:
        os.dup2(self.stderr.fileno(), 2)  # messages of libraries that abort
        faulthandler.disable()  # a crash shows in the exit status
        try:
            _run_chunk(self.target, self.seed, self.first, self.left, self.note, self.counts)
        except BaseException as error:  # noqa: BLE001  # any exception is a finding
            self.stderr.write(f"{type(error).__name__}: {error}\n")
            self.stderr.flush()
            os._exit(1)

    def poll(self, result: Result) -> bool:
        """Return whether it is finished; add its counts and findings to the result."""
        done, accepted = struct.unpack("<QQ", self.counts[:16])
        if done != self.last_done:
            self.last_done, self.changed_at = done, time.monotonic()
        hangs = self.process.is_alive() and time.monotonic() - self.changed_at > 100 * SECONDS
        if hangs:  # in native code, where no signal handler runs
            self.process.kill()
            self.process.join()
        if self.process.is_alive():
            return False
        self.process.join()
        result.executions += done
        result.accepted += accepted
        if self.process.exitcode == 0:
            self.stderr.close()
            return True
        result.executions += 1
        (length,) = struct.unpack("<Q", self.note[:8])
        data = self.note[8 : 8 + length]
        self.stderr.seek(0)
        message = (self.stderr.read().strip().splitlines() or [f"exit status {self.process.exitcode}"])[-1]
        path = REGRESSIONS / self.target / hashlib.sha256(data).hexdigest()[:16]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        result.findings[str(path.relative_to(REGRESSIONS))] = "hangs" if hangs else message
        self.first, self.left = self.first + done + 1, self.left - done - 1
        if self.left > 0:
            self.process = self._start()
            return False
        self.stderr.close()
        return True


def _chunks(executions: int, shares: dict[str, float]) -> Iterator[tuple[str, int, int]]:
    for target, share in shares.items():
        total = round(executions * share)
        for first in range(0, total, CHUNK):
            yield target, first, min(CHUNK, total - first)


def fuzz(executions: int, seed: int, workers: int, target: str = "") -> dict[str, Result]:
    """Fuzz all targets, or one.

    Args:
        executions: of all targets together.
        seed: of the mutations.
        workers: processes at a time.
        target: the only one; by default all.

    Returns:
        target -> result.
    """
    results = {name: Result() for name in ([target] if target else TARGETS)}
    chunks = _chunks(executions, {target: 1.0} if target else SHARES)
    running: list[_Worker] = []
    while True:
        running = [worker for worker in running if not worker.poll(results[worker.target])]
        while len(running) < workers and (chunk := next(chunks, None)):
            running.append(_Worker(chunk[0], seed, chunk[1], chunk[2]))
        if not running:
            return results
        time.sleep(0.01)


def format_table(results: dict[str, Result]) -> str:
    """Format the table and every finding."""
    lines = [f"{'target':10} {'executions':>10} {'accepted':>9} {'findings':>8}"]
    for target, result in results.items():
        lines.append(f"{target:10} {result.executions:10,} {result.accepted:9,} {len(result.findings):8}")
    lines.append(f"{'all':10} {sum(result.executions for result in results.values()):10,}")
    return "\n".join(
        [*lines, *(f"{path}: {error}" for result in results.values() for path, error in result.findings.items())]
    )


def main() -> None:
    """Parse the command line, fuzz, print; exit status 1 if there is a finding."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--executions", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--target", choices=list(TARGETS), default="", help="the only one; default: all")
    parser.add_argument("--json", type=Path, help="file for the numbers")
    options = parser.parse_args()
    results = fuzz(options.executions, options.seed, options.workers, options.target)
    if options.json:
        options.json.write_text(
            json.dumps({name: asdict(result) for name, result in results.items()}, indent=2) + "\n"
        )
    print(format_table(results))
    sys.exit(any(result.findings for result in results.values()))


if __name__ == "__main__":
    main()
