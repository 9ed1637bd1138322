"""What a batch costs that joins a class: seconds of every stage, bytes of the cache, for small and large classes.

    python -m benchmarks.growth [--classes 100 1000 3000] [--students 10] [--times 3] [--json FILE]

Classes of plain synthetic photos are built in a temporary project and batches are added to each by the real commands
(`shoepair add`, `dvc repro normalize pairs`); every batch is one measurement. Beside it stands the design that most
examples of DVC have: one stage that reads all photos and writes one store. Seconds are processor time of the stage's
process, imports included. Training is left out: a network is trained on the whole class in either design.
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

from benchmarks.output import tell
from shoepair.data import naming, store
from shoepair.ingestion import decode_all, rules, scan
from shoepair.ingestion.config import Normalize
from shoepair.runtime import params, paths, storage
from shoepair.runtime.batches import load_batches

ROOT = Path(__file__).parent.parent
PER_BATCH = ("ingest", "validate", "normalize")
EDGE, BLOCK = 224, 16  # pixels of a photo, and of the squares of one colour that it is made of: small files
ONE = "prepare"  # the one stage of the other design
ONE_STAGE = f"""
stages:
  {ONE}:
    cmd: python -m benchmarks.growth --prepare
    deps: [data/raw, data/batches.yaml]
    outs: [data/store/all.h5]
"""
# Python runs a module of this name at its start: it notes what the process of a stage took.
CLOCK = """
import atexit, os, time
if "DVC_STAGE" in os.environ:
    @atexit.register
    def note():
        with open(os.environ["CLOCK"], "a") as file:
            file.write(f"{os.environ['DVC_STAGE']} {time.process_time()}\\n")
"""


def draw(folder: Path, first: int, students: int) -> None:
    """Synthetic photos, no two alike: squares of random colours, six a student."""
    folder.mkdir(parents=True)
    for number in range(first, first + students):
        rng = np.random.default_rng(number)
        for pair, side in naming.SHOES:
            squares = rng.integers(0, 256, (EDGE // BLOCK, EDGE // BLOCK, 3), np.uint8)
            path = folder / f"u{number:06}_{pair}_{side}_m.png"
            Image.fromarray(squares.repeat(BLOCK, 0).repeat(BLOCK, 1)).save(path, compress_level=1)


class Project:
    """A copy of this project in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("shoepair", "stages", "benchmarks"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("params.yaml", "pyproject.toml", "dvc.yaml", ".gitignore", ".dvcignore"):
            shutil.copyfile(ROOT / name, folder / name)
        (folder / "data").mkdir()
        (folder / paths.BATCHES).write_text("batches: []\nsamples: {}\n")
        (folder / "clock").mkdir()
        (folder / "clock/sitecustomize.py").write_text(CLOCK)
        self.call("git", "init", "--quiet")
        self.call("dvc", "init", "--quiet")

    def call(self, *words: str) -> None:
        """Run a command here; its words if it fails."""
        surroundings = os.environ | {"PYTHONPATH": "clock", "CLOCK": "clock/noted", "DVC_NO_ANALYTICS": "1"}
        surroundings["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{surroundings['PATH']}"
        done = subprocess.run(words, cwd=self.folder, env=surroundings, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"error: {' '.join(words)}: failed\n{done.stdout}{done.stderr}")

    def noted(self) -> dict[str, float]:
        """Seconds of every stage that ran since this was last asked."""
        path = self.folder / "clock/noted"
        lines = path.read_text().splitlines() if path.is_file() else []
        path.unlink(missing_ok=True)
        return {stage.partition("@")[0]: float(spent) for stage, spent in map(str.split, lines)}

    def cached(self) -> int:
        """Bytes of DVC's cache."""
        return sum(path.stat().st_size for path in (self.folder / ".dvc/cache/files").rglob("*") if path.is_file())

    def own_bytes(self, batch: str) -> int:
        """Bytes of a batch's photos and of its own outputs."""
        files = [path for path in (self.folder / paths.raw(batch)).rglob("*") if path.is_file()]
        files += [self.folder / path for path in (paths.table(batch), paths.valid(batch), paths.store(batch))]
        return sum(path.stat().st_size for path in files if path.is_file())


def measure(students: int, batch: int, times: int, *, one_stage: bool) -> Iterator[dict[str, float]]:
    """Build a class, add batches one after the other.

    Args:
        students: of the class that is there.
        batch: students of each that joins.
        times: how many join.
        one_stage: the other design.

    Yields:
        For each batch: seconds of every stage, `added` bytes of the cache, `own` bytes of the batch.
    """
    with tempfile.TemporaryDirectory() as place:
        project = Project(Path(place) / "project")
        targets = ["normalize", "pairs"]
        if one_stage:
            (project.folder / "dvc.yaml").write_text(ONE_STAGE)
            targets = [ONE]
        draw(project.folder / paths.raw("class"), 1, students)
        _track(project, "class")
        project.call("dvc", "repro", "--quiet", *targets)
        first = students + 1
        for number in range(times):
            name = f"batch{number}"
            draw(Path(place) / name, first, batch)
            first += batch
            before = project.cached()
            project.noted()
            if one_stage:
                shutil.copytree(Path(place) / name, project.folder / paths.raw(name))
                _track(project, name)
            else:
                project.call("python", "-m", "shoepair", "add", str(Path(place) / name), "--name", name)
            project.call("dvc", "repro", "--quiet", *targets)
            yield project.noted() | {"added": project.cached() - before, "own": project.own_bytes(name)}


def _track(project: Project, batch: str) -> None:
    """What `shoepair add` does, without its checks."""
    project.call("dvc", "add", "--quiet", f"{paths.raw(batch)}")
    listed = f"from shoepair.commands.collection import batch_list; batch_list.append({batch!r})"
    project.call("python", "-c", listed)


def prepare() -> None:
    """The one stage: all photos of all batches, listed, checked and packed into one store."""
    edge = params.load(Normalize).edge
    files: list[storage.Listed] = []
    students: list[str] = []
    for batch in load_batches().batches:
        rows = rules.check(batch, paths.raw(batch), scan.scan(paths.raw(batch)), edge).accepted
        files += storage.listed(paths.raw(batch), rows)
        students += list(rows["student"].unique())
    store.write(paths.store("all"), students, decode_all.students(decode_all.read_all(files, edge), edge), edge)


def compare(classes: list[int], students: int, times: int) -> list[dict[str, Any]]:
    """Both designs on every class; medians."""
    rows = []
    for size in classes:
        for one_stage in (False, True):
            found: dict[str, list[float]] = defaultdict(list)
            for each in measure(size, students, times, one_stage=one_stage):
                for name, value in each.items():
                    found[name].append(value)
            medians = {name: round(statistics.median(values), 3) for name, values in found.items()}
            rows.append({"design": "one stage" if one_stage else "a stage per batch", "class": size, **medians})
    return rows


def work(row: dict[str, Any]) -> float:
    """Seconds that the batch itself cost."""
    return float(sum(row.get(stage, 0) for stage in (*PER_BATCH, ONE)))


def printed(rows: list[dict[str, Any]]) -> str:
    """The table, and the two targets."""
    stages = (*PER_BATCH, "split", "pairs", ONE)
    lines = [f"{'design':18} {'students':>8} " + " ".join(f"{stage:>9}" for stage in stages) + "  cache MB  times own"]
    for row in rows:
        seconds = " ".join(f"{row[stage]:9.2f}" if stage in row else f"{'-':>9}" for stage in stages)
        own = row["own"] if ONE not in row else rows[0]["own"]
        share = row["added"] / own
        lines.append(f"{row['design']:18} {row['class']:8,} {seconds} {row['added'] / 1e6:9.1f} {share:10.2f}")
    ours = [row for row in rows if ONE not in row]
    spread = max(map(work, ours)) / min(map(work, ours)) - 1
    most = max(row["added"] / row["own"] for row in ours)
    lines.append(f"work per added batch: constant within {spread:.1%} (target 10 %)")
    lines.append(f"cache: at most {most:.3f} times the batch's own bytes (target 1.1)")
    return "\n".join(lines)


def main() -> None:
    """Read the words of the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--classes", type=int, nargs="+", default=[100, 1000, 3000], help="students that are there")
    parser.add_argument("--students", type=int, default=10, help="of a batch that joins")
    parser.add_argument("--times", type=int, default=3, help="batches behind every median")
    parser.add_argument("--json", type=Path, help="write the numbers here; else they are printed")
    parser.add_argument("--prepare", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.prepare:
        prepare()
        return
    rows = compare(given.classes, given.students, given.times)
    tell(rows, printed(rows), given.json)


if __name__ == "__main__":
    main()
