"""What the engines do with the same photos: photos/s of validate and normalize, and what Ray costs before the first.

    python -m benchmarks.engine [--students 20 200] [--times 3] [--keep DIR] [--json FILE]

Classes of synthetic photos (see benchmarks/scale.py) are worked by the stages as DVC runs them: on this machine; on a
Ray that each stage starts for itself; and on Ray clusters of one and of two workers that are waiting on this machine,
at an address of the benchmark's own. Engines take turns, each number is the median. A line through the sizes gives
seconds before the first photo and seconds a photo; the outputs are compared, since they must be the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks import scale
from benchmarks.output import tell
from benchmarks.watching import ROOT, watched
from shoepair.runtime import paths

STAGES = ("validate", "normalize")
WORKERS = (1, 2)
PHOTOS = 6  # of a student
OPEN = {"RAY_AUTH_MODE": "disabled"}  # of the benchmark's own clusters, on the loopback alone
WAIT = 60  # seconds that a cluster may take to start
Row = dict[str, Any]


@contextmanager
def cluster(workers: int) -> Iterator[str]:
    """A Ray cluster on this machine; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    program = str(Path(sys.executable).parent / "ray")
    words = ["start", "--head", "--block", "--disable-usage-stats", "--include-dashboard=false"]
    where = [f"--node-ip-address={address.partition(':')[0]}", f"--port={address.partition(':')[2]}"]
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as place:
        room = [f"--num-cpus={workers}", f"--temp-dir={place}", "--object-store-memory=200000000"]
        environment = os.environ | OPEN | {"PYTHONPATH": str(ROOT)}
        with subprocess.Popen(
            [program, *words, *where, *room], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
        ) as head:
            try:
                _wait_for(address)
                yield address
            finally:
                for process in [*psutil.Process(head.pid).children(recursive=True), head]:
                    with suppress(psutil.NoSuchProcess):
                        process.kill()  # asked to end, it would take half a minute


def _wait_for(address: str) -> None:
    host, _, port = address.partition(":")
    for _ in range(WAIT * 10):
        with socket.socket() as client:
            if client.connect_ex((host, int(port))) == 0:
                time.sleep(5)  # its workers start after it
                return
        time.sleep(0.1)
    sys.exit(f"error: {address}: no Ray after {WAIT} s")


def measure(students: list[int], times: int, kept: Path) -> list[Row]:
    """A row for each stage, engine and class."""
    with tempfile.TemporaryDirectory() as place, ExitStack() as clusters:
        projects = {count: prepared(Path(place) / str(count), count, kept) for count in students}
        engines = {"local": {"SHOEPAIR_ENGINE": "local"}, "ray, started for it": {"SHOEPAIR_ENGINE": "ray"}}
        for workers in WORKERS:
            address = clusters.enter_context(cluster(workers))
            engines[f"ray, {workers} waiting"] = OPEN | {"SHOEPAIR_ENGINE": "ray", "RAY_ADDRESS": address}
        taken: dict[tuple[str, str, int], list[float]] = defaultdict(list)
        for _ in range(times):
            for count, project in projects.items():
                for stage in STAGES:
                    digests = set()
                    for engine, variables in engines.items():
                        got = watched([*words(stage)], project, variables)
                        taken[stage, engine, count].append(got.seconds)
                        digests.add(digest(project, stage))
                        print(f"{stage}, {engine}, {count} students: {got.seconds:.1f} s", file=sys.stderr)
                    if len(digests) > 1:
                        sys.exit(f"error: {stage} of {count} students: the engines' outputs differ")
    return [
        {"stage": stage, "engine": engine, "students": count, "seconds": round(statistics.median(seconds), 2)}
        for (stage, engine, count), seconds in sorted(taken.items())
    ]


def words(stage: str) -> tuple[str, ...]:
    """What follows `python` to run a stage."""
    return ("-m", f"stages.{stage}", scale.BATCH)


def prepared(project: Path, students: int, kept: Path) -> Path:
    """A project with a class that is ingested and validated."""
    raw = project / paths.raw(scale.BATCH)
    if not (kept / str(students)).is_dir():
        scale.draw(kept / str(students), students)
    raw.parent.mkdir(parents=True)
    raw.symlink_to((kept / str(students)).absolute(), target_is_directory=True)
    scale.set_up(project)
    (project / paths.BATCHES).write_text(f"batches: [{scale.BATCH}]\nsamples: {{}}\n")
    for stage in ("ingest", "validate"):
        watched([*words(stage)], project, {"SHOEPAIR_ENGINE": "local"})
    return project


def digest(project: Path, stage: str) -> str:
    """Of everything that a stage wrote."""
    total = hashlib.sha256()
    for path in scale.outputs(project, stage):
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


def line(rows: list[Row]) -> tuple[float, float]:
    """Seconds before the first photo, and seconds a photo, of one stage on one engine."""
    each, start = np.polyfit([PHOTOS * row["students"] for row in rows], [row["seconds"] for row in rows], 1)
    return float(start), float(each)


def printed(rows: list[Row]) -> str:
    """The table: photos/s of every class, then what the line through them says."""
    sizes = sorted({row["students"] for row in rows})
    columns = " ".join(f"{f'{PHOTOS * size:,} photos':>16}" for size in sizes)
    lines = [f"{'stage':10} {'engine':20} {columns} {'start, s':>9} {'photos/s then':>14}   (seconds, photos/s)"]
    for stage in STAGES:
        for engine in dict.fromkeys(row["engine"] for row in rows):
            mine = [row for row in rows if (row["stage"], row["engine"]) == (stage, engine)]
            if not mine:
                continue
            cells = [f"{row['seconds']:.1f} ({PHOTOS * row['students'] / row['seconds']:,.0f})" for row in mine]
            text = f"{stage:10} {engine:20} " + " ".join(f"{cell:>16}" for cell in cells)
            if len(sizes) > 1:
                start, each = line(mine)
                text += f" {start:9.1f} {1 / each:14,.0f}"
            lines.append(text)
    return "\n".join(lines)


def main() -> None:
    """Read the words of the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__)
    parser.add_argument("--students", type=int, nargs="+", default=[20, 200], help="of the classes")
    parser.add_argument("--times", type=int, default=3, help="runs behind every median")
    parser.add_argument("--keep", type=Path, help="where drawn classes stay, and are taken from the next time")
    parser.add_argument("--json", type=Path, help="write the numbers here; else they are printed")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        rows = measure(given.students, given.times, given.keep or Path(place))
    tell(rows, printed(rows), given.json)


if __name__ == "__main__":
    main()
