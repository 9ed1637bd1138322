"""SIGKILL at random moments: `dvc repro`, killed, repaired and run again, ends as an undisturbed run.

    python -m benchmarks.kill PROJECT [--times 100] [--seed 1] [--json FILE]

PROJECT is a clone of this project with a small class in which `dvc repro` has run. The benchmark works in it, so use
one that nobody needs. Every time it deletes all outputs and DVC's run cache, kills `dvc repro` together with its stage
(every second time `dvc` alone, so that the stage lives on), runs `shoepair doctor` and `dvc repro`, and compares every
output and dvc.lock, byte for byte.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

WRITTEN = (
    "data/manifest",
    "data/accepted",
    "data/image_stats",
    "data/store",
    "data/synthetic",
    "models",
    "plots",
    "reports",
    "metrics",
)
TABLES = ("split", "duplicates", "pairs", "suspects", "scores")
FILES = ("dvc.lock", "data/decision.json", *(f"data/{name}.parquet" for name in TABLES))
DVC = (sys.executable, "-m", "dvc")
DOCTOR = (sys.executable, "-m", "shoepair", "doctor")


@dataclass(frozen=True)
class Kill:
    """The result of one kill."""

    moment: float  # seconds after the start
    stage: str  # running when killed, or "" between stages
    alone: bool  # whether only dvc was killed and the stage lived on
    repaired: tuple[str, ...]  # repairs that `shoepair doctor` reported
    problem: str  # "" if everything ended as in the undisturbed run


def run_kills(project: Path, times: int, seed: int, dvc: Sequence[str] = DVC) -> Iterator[Kill]:
    """Kill the pipeline again and again.

    Args:
        project: its folder, where everything is up to date.
        times: number of kills.
        seed: of the moments.
        dvc: the command that continues after a kill; it is not killed.

    Yields:
        The result of each kill.
    """
    expected = outputs(project)
    rng = random.Random(seed)
    start = time.monotonic()
    _clear(project)
    _call(project, *DVC, "repro", "--quiet")
    length = time.monotonic() - start
    if outputs(project) != expected:
        sys.exit(f"error: {project}: two undisturbed runs differ")
    for number in range(times):
        _clear(project)
        yield _kill(project, rng.uniform(0, length), alone=number % 2 == 1, expected=expected, dvc=dvc)


def _kill(project: Path, moment: float, *, alone: bool, expected: dict[str, bytes], dvc: Sequence[str]) -> Kill:
    with tempfile.TemporaryFile("w+") as output:  # no pipe: a surviving stage would keep it open
        process = subprocess.Popen(
            [*DVC, "repro"], cwd=project, start_new_session=True, stdout=output, stderr=subprocess.DEVNULL
        )
        time.sleep(moment)
        with contextlib.suppress(ProcessLookupError):  # it may be done
            (os.kill if alone else os.killpg)(process.pid, signal.SIGKILL)
        process.wait()
        output.seek(0)
        stages = [line.split("'")[1] for line in output if line.startswith("Running stage")]
    doctor = _call(project, *DOCTOR)
    repro = _call(project, *dvc, "repro")
    repaired = tuple(line for line in doctor.stdout.splitlines() if "in order" not in line)
    problem = (doctor.stderr if doctor.returncode else "") + (repro.stderr if repro.returncode else "")
    return Kill(
        moment, stages[-1] if stages else "", alone, repaired, problem or _difference(outputs(project), expected)
    )


def _difference(result: dict[str, bytes], expected: dict[str, bytes]) -> str:
    names = sorted(name for name in result.keys() | expected.keys() if result.get(name) != expected.get(name))
    return f"other bytes than the undisturbed run: {', '.join(names)}" if names else ""


def outputs(project: Path) -> dict[str, bytes]:
    """Return the content of every file that the pipeline wrote, half-written ones included."""
    files = [path for root in WRITTEN for path in (project / root).rglob("*")]
    files += [project / name for name in FILES]
    return {path.relative_to(project).as_posix(): path.read_bytes() for path in files if path.is_file()}


def _clear(project: Path) -> None:
    """Delete all outputs; DVC's cache keeps the photos only, so that nothing else can be restored."""
    shutil.rmtree(project / ".dvc/cache/runs", ignore_errors=True)
    for name in (*WRITTEN, "checkpoints"):
        for path in sorted((project / name).rglob("*"), reverse=True):  # content before its folder
            if path.is_dir() and not path.is_symlink():
                with contextlib.suppress(OSError):  # not empty
                    path.rmdir()
            elif path.name != "README.md":  # the only file that no stage writes
                path.unlink()
    for name in FILES:
        (project / name).unlink(missing_ok=True)


def _call(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=project, capture_output=True, text=True, check=False)


def format_table(kills: list[Kill]) -> str:
    """Format the table: kills per stage, failures, repairs."""
    count_of = Counter(kill.stage or "none" for kill in kills)
    failures = Counter(kill.stage or "none" for kill in kills if kill.problem)
    lines = [f"{'stage that was met':20} {'kills':>5} {'failed':>6}"]
    lines += [f"{stage:20} {count:5} {failures[stage]:6}" for stage, count in sorted(count_of.items())]
    lines.append(f"{'all':20} {len(kills):5} {sum(failures.values()):6}")
    repairs = Counter(line.split(":", 1)[-1].strip() for kill in kills for line in kill.repaired)
    return "\n".join([*lines, *(f"{count:4} x {line}" for line, count in repairs.most_common())])


def main() -> None:
    """Parse the command line, kill, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill", description=__doc__)
    parser.add_argument("project", type=Path)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="file for the result of each kill")
    options = parser.parse_args()
    if not (options.project / "dvc.lock").is_file():
        sys.exit(f"error: {options.project}: no dvc.lock there, expected a clone in which `dvc repro` has run")
    kills = []
    for kill in run_kills(options.project.resolve(), options.times, options.seed):
        kills.append(kill)
        print(
            f"{len(kills):3} {kill.moment:6.2f} s  {kill.stage or '-':20} {kill.problem or 'as undisturbed'}",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps([asdict(kill) for kill in kills], indent=2) + "\n")
    print(format_table(kills))
    sys.exit(any(kill.problem for kill in kills))


if __name__ == "__main__":
    main()
