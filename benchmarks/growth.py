"""Cost of adding a batch: seconds of every stage and bytes of the cache, for small and large classes.

    python -m benchmarks.growth [--classes 100 1000 3000] [--students 10] [--times 3] [--json FILE]

Classes of plain synthetic photos are built in a temporary project and batches are added to each by the real commands
(`shoepair add`, `dvc repro normalize pairs`); every batch is one measurement. The reference is the design of most DVC
examples: one stage that reads all photos and writes one store. Seconds are processor time of the stage's process,
imports included. Training is left out: in both designs a network is trained on the whole class.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.output import print_results
from shoepair.data import naming, store
from shoepair.ingestion import file_manifest, parallel_decoding, validation
from shoepair.ingestion.config import NormalizeConfig
from shoepair.runtime import params, paths, storage
from shoepair.runtime.batches import load_batch_lists

ROOT = Path(__file__).parent.parent
PER_BATCH = ("ingest", "validate", "normalize")
EDGE, BLOCK = 224, 16  # pixels: of a photo, and of its squares of one colour, which make small files
ONE = "prepare"  # the one stage of the other design
ONE_STAGE = f"""
stages:
  {ONE}:
    cmd: python -m benchmarks.growth --prepare
    deps: [data/raw, data/batches.yaml]
    outs: [data/store/all.h5]
"""
# Python imports `sitecustomize` at its start; this one records the processor time of a stage's process.
CLOCK = """
import atexit, os, time
if "DVC_STAGE" in os.environ:
    @atexit.register
    def note():
        with open(os.environ["CLOCK"], "a") as file:
            file.write(f"{os.environ['DVC_STAGE']} {time.process_time()}\\n")
"""


def draw(folder: Path, first: int, students: int) -> None:
    """Write synthetic photos, no two alike: squares of random colours, six photos a student."""
    folder.mkdir(parents=True)
    for number in range(first, first + students):
        rng = np.random.default_rng(number)
        for pair, side in naming.SHOE_KEYS:
            squares = rng.integers(0, 256, (EDGE // BLOCK, EDGE // BLOCK, 3), np.uint8)
            path = folder / f"u{number:06}_{pair}_{side}_m.png"
            Image.fromarray(squares.repeat(BLOCK, 0).repeat(BLOCK, 1)).save(path, compress_level=1)


class Project:
    """A copy of this project in another folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("shoepair", "stages", "benchmarks"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("params.yaml", "pyproject.toml", "dvc.yaml", ".gitignore", ".dvcignore"):
            shutil.copyfile(ROOT / name, folder / name)
        (folder / "data").mkdir()
        (folder / paths.BATCH_LIST).write_text("batches: []\nsynthetic_classes: {}\n")
        (folder / "clock").mkdir()
        (folder / "clock/sitecustomize.py").write_text(CLOCK)
        self.call("git", "init", "--quiet")
        self.call("dvc", "init", "--quiet")

    def call(self, *command: str) -> None:
        """Run a command in the project; exit with its output if it fails."""
        environment = os.environ | {"PYTHONPATH": "clock", "CLOCK": "clock/noted", "DVC_NO_ANALYTICS": "1"}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        result = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        if result.returncode:
            sys.exit(f"error: {' '.join(command)}: failed\n{result.stdout}{result.stderr}")

    def read_seconds(self) -> dict[str, float]:
        """Return the seconds of every stage that ran since the last call."""
        path = self.folder / "clock/noted"
        lines = path.read_text().splitlines() if path.is_file() else []
        path.unlink(missing_ok=True)
        return {stage.partition("@")[0]: float(seconds) for stage, seconds in map(str.split, lines)}

    def cache_bytes(self) -> int:
        """Return the size of DVC's cache in bytes."""
        return sum(path.stat().st_size for path in (self.folder / ".dvc/cache/files").rglob("*") if path.is_file())

    def batch_bytes(self, batch: str) -> int:
        """Return the size of a batch's photos and outputs in bytes."""
        files = [path for path in (self.folder / paths.raw_path(batch)).rglob("*") if path.is_file()]
        files += [
            self.folder / path
            for path in (paths.manifest_path(batch), paths.accepted_path(batch), paths.store_path(batch))
        ]
        return sum(path.stat().st_size for path in files if path.is_file())


def measure(students: int, batch: int, times: int, *, one_stage: bool) -> Iterator[dict[str, float]]:
    """Build a class and add batches one after the other.

    Args:
        students: of the existing class.
        batch: students of each added batch.
        times: number of added batches.
        one_stage: whether to use the other design.

    Yields:
        For each batch: seconds of every stage, `added` bytes of the cache, `own` bytes of the batch.
    """
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder) / "project")
        targets = ["normalize", "pairs"]
        if one_stage:
            (project.folder / "dvc.yaml").write_text(ONE_STAGE)
            targets = [ONE]
        draw(project.folder / paths.raw_path("class"), 1, students)
        _track(project, "class")
        project.call("dvc", "repro", "--quiet", *targets)
        first = students + 1
        for number in range(times):
            name = f"batch{number}"
            draw(Path(folder) / name, first, batch)
            first += batch
            before = project.cache_bytes()
            project.read_seconds()
            if one_stage:
                shutil.copytree(Path(folder) / name, project.folder / paths.raw_path(name))
                _track(project, name)
            else:
                project.call("python", "-m", "shoepair", "add", str(Path(folder) / name), "--name", name)
            project.call("dvc", "repro", "--quiet", *targets)
            yield project.read_seconds() | {"added": project.cache_bytes() - before, "own": project.batch_bytes(name)}


def _track(project: Project, batch: str) -> None:
    """Do what `shoepair add` does, without its checks."""
    project.call("dvc", "add", "--quiet", f"{paths.raw_path(batch)}")
    program = f"from shoepair.commands.collection import batch_list; batch_list.append_list_entry({batch!r})"
    project.call("python", "-c", program)


def prepare() -> None:
    """Run the one stage: all photos of all batches, listed, validated and packed into one store."""
    edge = params.load(NormalizeConfig).edge
    files: list[storage.PhotoFile] = []
    students: list[str] = []
    for batch in load_batch_lists().batches:
        folder = paths.raw_path(batch)
        manifest = file_manifest.build_manifest(folder)
        rows = validation.validate_batch_or_raise(batch, folder, manifest, edge).accepted
        files += storage.list_photo_files(folder, rows)
        students += list(rows["student"].unique())
    photos = parallel_decoding.iter_student_photo_stacks(
        parallel_decoding.iter_decoded_photos_or_errors(files, edge), edge
    )
    store.write_store(paths.store_path("all"), students, photos, edge)


def compare(classes: list[int], students: int, times: int) -> list[dict[str, Any]]:
    """Measure both designs on every class; return medians."""
    rows = []
    for size in classes:
        for one_stage in (False, True):
            values_of: dict[str, list[float]] = defaultdict(list)
            for numbers in measure(size, students, times, one_stage=one_stage):
                for name, value in numbers.items():
                    values_of[name].append(value)
            medians = {name: round(statistics.median(values), 3) for name, values in values_of.items()}
            rows.append({"design": "one stage" if one_stage else "a stage per batch", "class": size, **medians})
    return rows


def batch_seconds(row: dict[str, Any]) -> float:
    """Return the seconds of the stages that work on the batch alone."""
    return float(sum(row.get(stage, 0) for stage in (*PER_BATCH, ONE)))


def format_table(rows: list[dict[str, Any]]) -> str:
    """Format the table and the two targets."""
    stages = (*PER_BATCH, "split", "pairs", ONE)
    lines = [f"{'design':18} {'students':>8} " + " ".join(f"{stage:>9}" for stage in stages) + "  cache MB  times own"]
    for row in rows:
        seconds = " ".join(f"{row[stage]:9.2f}" if stage in row else f"{'-':>9}" for stage in stages)
        batch_bytes = row["own"] if ONE not in row else rows[0]["own"]
        ratio = row["added"] / batch_bytes
        lines.append(f"{row['design']:18} {row['class']:8,} {seconds} {row['added'] / 1e6:9.1f} {ratio:10.2f}")
    ours = [row for row in rows if ONE not in row]
    spread = max(map(batch_seconds, ours)) / min(map(batch_seconds, ours)) - 1
    largest = max(row["added"] / row["own"] for row in ours)
    lines.append(f"work per added batch: constant within {spread:.1%} (target 10 %)")
    lines.append(f"cache: at most {largest:.3f} times the batch's own bytes (target 1.1)")
    return "\n".join(lines)


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--classes", type=int, nargs="+", default=[100, 1000, 3000], help="students of the classes")
    parser.add_argument("--students", type=int, default=10, help="students of an added batch")
    parser.add_argument("--times", type=int, default=3, help="batches per median")
    parser.add_argument("--json", type=Path, help="file for the numbers; by default they are printed")
    parser.add_argument("--prepare", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.prepare:
        prepare()
        return
    rows = compare(options.classes, options.students, options.times)
    print_results(rows, format_table(rows), options.json)


if __name__ == "__main__":
    main()
