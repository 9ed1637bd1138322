"""The executors on the same photos: photos/s of validate and normalize, and Ray's start-up time.

    python -m benchmarks.engine [--students 20 200] [--times 3] [--keep DIR] [--json FILE]

Classes of synthetic photos (see benchmarks/scale.py) are processed by the stages as DVC runs them: on this machine; on
a Ray that each stage starts; and on running Ray clusters of one and of two workers on this machine, started by the
benchmark. Executors take turns; each number is the median. A line through the sizes gives the seconds before the first
photo and the seconds per photo. The outputs are compared: they must be the same bytes.
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
from benchmarks.output import print_results
from benchmarks.watching import ROOT, run_measured
from shoepair.runtime import paths

STAGES = ("validate", "normalize")
WORKERS = (1, 2)
PHOTOS = 6  # per student
OPEN = {"RAY_AUTH_MODE": "disabled"}  # of the benchmark's clusters, on the loopback interface only
WAIT = 60  # seconds for a cluster to start
Row = dict[str, Any]


@contextmanager
def cluster(workers: int) -> Iterator[str]:
    """Context manager: a Ray cluster on this machine; yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    program = str(Path(sys.executable).parent / "ray")
    command = ["start", "--head", "--block", "--disable-usage-stats", "--include-dashboard=false"]
    network = [f"--node-ip-address={address.partition(':')[0]}", f"--port={address.partition(':')[2]}"]
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        limits = [f"--num-cpus={workers}", f"--temp-dir={folder}", "--object-store-memory=200000000"]
        environment = os.environ | OPEN | {"PYTHONPATH": str(ROOT)}
        with subprocess.Popen(
            [program, *command, *network, *limits],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
        ) as head:
            try:
                _wait_for(address)
                yield address
            finally:
                for process in [*psutil.Process(head.pid).children(recursive=True), head]:
                    with suppress(psutil.NoSuchProcess):
                        process.kill()  # a regular stop would take half a minute


def _wait_for(address: str) -> None:
    host, _, port = address.partition(":")
    for _ in range(WAIT * 10):
        with socket.socket() as client:
            if client.connect_ex((host, int(port))) == 0:
                time.sleep(5)  # its workers start after it
                return
        time.sleep(0.1)
    sys.exit(f"error: {address}: no Ray after {WAIT} s")


def measure(students: list[int], times: int, class_folder: Path) -> list[Row]:
    """Return a row for each stage, executor and class."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as clusters:
        projects = {count: prepare_project(Path(folder) / str(count), count, class_folder) for count in students}
        engines = {"local": {"SHOEPAIR_ENGINE": "local"}, "ray, started for it": {"SHOEPAIR_ENGINE": "ray"}}
        for workers in WORKERS:
            address = clusters.enter_context(cluster(workers))
            engines[f"ray, {workers} waiting"] = OPEN | {"SHOEPAIR_ENGINE": "ray", "RAY_ADDRESS": address}
        seconds_of: dict[tuple[str, str, int], list[float]] = defaultdict(list)
        for _ in range(times):
            for count, project in projects.items():
                for stage in STAGES:
                    digests = set()
                    for engine, variables in engines.items():
                        cost = run_measured([*stage_arguments(stage)], project, variables)
                        seconds_of[stage, engine, count].append(cost.seconds)
                        digests.add(digest_outputs(project, stage))
                        print(f"{stage}, {engine}, {count} students: {cost.seconds:.1f} s", file=sys.stderr)
                    if len(digests) > 1:
                        sys.exit(f"error: {stage} of {count} students: the engines' outputs differ")
    return [
        {"stage": stage, "engine": engine, "students": count, "seconds": round(statistics.median(seconds), 2)}
        for (stage, engine, count), seconds in sorted(seconds_of.items())
    ]


def stage_arguments(stage: str) -> tuple[str, ...]:
    """Return what follows `python` to run a stage."""
    return ("-m", f"stages.{stage}", scale.BATCH)


def prepare_project(project: Path, students: int, class_folder: Path) -> Path:
    """Create a project with a class that is ingested and validated."""
    raw = project / paths.raw_path(scale.BATCH)
    if not (class_folder / str(students)).is_dir():
        scale.draw(class_folder / str(students), students)
    raw.parent.mkdir(parents=True)
    raw.symlink_to((class_folder / str(students)).absolute(), target_is_directory=True)
    scale.set_up(project)
    (project / paths.BATCH_LIST).write_text(f"batches: [{scale.BATCH}]\nsynthetic_classes: {{}}\n")
    for stage in ("ingest", "validate"):
        run_measured([*stage_arguments(stage)], project, {"SHOEPAIR_ENGINE": "local"})
    return project


def digest_outputs(project: Path, stage: str) -> str:
    """Return the SHA-256 of everything that a stage wrote."""
    total = hashlib.sha256()
    for path in scale.stage_outputs(project, stage, scale.BATCH):
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


def fit_line(rows: list[Row]) -> tuple[float, float]:
    """Return the seconds before the first photo and the seconds per photo of one stage and executor."""
    per_photo, start = np.polyfit([PHOTOS * row["students"] for row in rows], [row["seconds"] for row in rows], 1)
    return float(start), float(per_photo)


def format_table(rows: list[Row]) -> str:
    """Format the table: photos/s of every class, then the line fitted through them."""
    sizes = sorted({row["students"] for row in rows})
    columns = " ".join(f"{f'{PHOTOS * size:,} photos':>16}" for size in sizes)
    lines = [f"{'stage':10} {'engine':20} {columns} {'start, s':>9} {'photos/s then':>14}   (seconds, photos/s)"]
    for stage in STAGES:
        for engine in dict.fromkeys(row["engine"] for row in rows):
            engine_rows = [row for row in rows if (row["stage"], row["engine"]) == (stage, engine)]
            if not engine_rows:
                continue
            cells = [f"{row['seconds']:.1f} ({PHOTOS * row['students'] / row['seconds']:,.0f})" for row in engine_rows]
            text = f"{stage:10} {engine:20} " + " ".join(f"{cell:>16}" for cell in cells)
            if len(sizes) > 1:
                start, per_photo = fit_line(engine_rows)
                text += f" {start:9.1f} {1 / per_photo:14,.0f}"
            lines.append(text)
    return "\n".join(lines)


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__)
    parser.add_argument("--students", type=int, nargs="+", default=[20, 200], help="sizes of the classes")
    parser.add_argument("--times", type=int, default=3, help="runs per median")
    parser.add_argument("--keep", type=Path, help="folder that keeps synthetic classes for the next run")
    parser.add_argument("--json", type=Path, help="file for the numbers; by default they are printed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(options.students, options.times, options.keep or Path(folder))
    print_results(rows, format_table(rows), options.json)


if __name__ == "__main__":
    main()
