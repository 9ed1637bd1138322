"""What `shoepair repro` gains by running stages side by side, and what it costs with nothing to do.

    python -m benchmarks.side_by_side PROJECT [--epochs 4] [--times 3] [--json FILE]

PROJECT is a clone of this project in which the pipeline has run. In a copy the three networks are trained by `dvc
repro`, one after the other, and by `shoepair repro`, in turn; then each runs with nothing to do. Medians of seconds of
the wall clock and of the processors; the ratios mean something on a machine where nothing else runs. Both must leave
the same bytes.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.kill import outputs

TARGETS = ("train@cnn", "train@cnn_channel", "train@siamese")
PROGRAMS = {"dvc repro": ("-m", "dvc", "repro"), "shoepair repro": ("-m", "shoepair", "repro")}
LEFT_OUT = shutil.ignore_patterns(".venv", "checkpoints")


@dataclass(frozen=True)
class Cost:
    """Seconds of one run: of the wall clock, and of the processors."""

    wall: float
    processor: float


def measure(project: Path, words: Sequence[str]) -> Cost:
    """Run a command that must succeed; return what it cost."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run([sys.executable, *words], cwd=project, capture_output=True, text=True, check=False)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"error: {' '.join(words)}: {done.stdout}{done.stderr}")
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def compare(project: Path, epochs: int, times: int) -> dict[str, dict[str, list[Cost]]]:
    """Return the costs of each program: of the trainings, and with nothing to do."""
    costs: dict[str, dict[str, list[Cost]]] = {name: {"trainings": [], "nothing": []} for name in PROGRAMS}
    found: list[dict[str, bytes]] = []
    with tempfile.TemporaryDirectory(prefix="side-by-side-") as folder:
        work = Path(folder) / "project"
        shutil.copytree(project, work, symlinks=True, ignore=LEFT_OUT)
        text = (work / "params.yaml").read_text()
        lines = [f"epochs: {epochs}" if line.startswith("epochs:") else line for line in text.splitlines()]
        (work / "params.yaml").write_text("\n".join(lines) + "\n")
        measure(work, [*PROGRAMS["dvc repro"], "pairs", "synthetic"])  # what has changed since, and the disk's cache
        lock = (work / "dvc.lock").read_bytes()
        for _ in range(times):
            for name, words in PROGRAMS.items():
                (work / "dvc.lock").write_bytes(lock)
                shutil.rmtree(work / ".dvc/cache/runs", ignore_errors=True)
                for way in ("trainings", "nothing"):
                    costs[name][way].append(measure(work, [*words, *TARGETS]))
                found.append(outputs(work))
    if any(other != found[0] for other in found):
        sys.exit("error: the outputs or dvc.lock differ")
    return costs


def format_table(costs: dict[str, dict[str, list[Cost]]]) -> str:
    """Format the medians, and how many times as long `dvc repro` takes."""
    lines = [f"{'':14} {'trainings: wall':>15} {'processor':>9} {'nothing: wall':>14} {'processor':>9}"]
    rows = {
        name: [
            statistics.median(getattr(cost, kind) for cost in ways[way])
            for way in ("trainings", "nothing")
            for kind in ("wall", "processor")
        ]
        for name, ways in costs.items()
    }
    first, second = rows.values()
    rows["ratio"] = [a / b for a, b in zip(first, second, strict=True)]
    lines += [f"{name:14} {a:15.2f} {b:9.2f} {c:14.2f} {d:9.2f}" for name, (a, b, c, d) in rows.items()]
    return "\n".join(lines)


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.side_by_side", description=__doc__)
    parser.add_argument("project", type=Path)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--json", type=Path, help="file for the cost of each run")
    options = parser.parse_args()
    if not (options.project / "dvc.lock").is_file():
        sys.exit(f"error: {options.project}: no dvc.lock there, expected a clone in which `dvc repro` has run")
    costs = compare(options.project.resolve(), options.epochs, options.times)
    if options.json:
        rows = {
            name: {way: [asdict(cost) for cost in some] for way, some in ways.items()} for name, ways in costs.items()
        }
        options.json.write_text(json.dumps(rows, indent=2) + "\n")
    print(format_table(costs))


if __name__ == "__main__":
    main()
