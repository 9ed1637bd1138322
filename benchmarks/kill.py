"""SIGKILL at random moments: `dvc repro` of a small class, killed, repaired and run again, ends as an undisturbed one.

    python -m benchmarks.kill PROJECT [--times 100] [--seed 1] [--json FILE]

PROJECT is a clone of this project that has been run (`dvc repro`) and holds a small class: it is worked in, so give
one that nobody needs. Every time all outputs and DVC's cache of runs are deleted, `dvc repro` is killed together with
the stage that it runs (every second time it alone, so that the stage lives on), then come `shoepair doctor`, `dvc
repro`, and a comparison of every output and of dvc.lock, byte for byte.
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
    "data/table",
    "data/valid",
    "data/signs",
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
    """What came of one kill."""

    moment: float  # seconds after the start
    stage: str  # that ran, or "" before, between and after the stages
    alone: bool  # whether the stage was left running
    repaired: tuple[str, ...]  # what `shoepair doctor` said that it did
    problem: str  # "" if everything ended as in the undisturbed run


def kills(project: Path, times: int, seed: int, dvc: Sequence[str] = DVC) -> Iterator[Kill]:
    """Kill the pipeline again and again.

    Args:
        project: its folder, where everything is up to date.
        times: how often.
        seed: of the moments.
        dvc: the command that goes on after a kill, which nobody kills.

    Yields:
        What came of each.
    """
    wanted = outputs(project)
    rng = random.Random(seed)
    start = time.monotonic()
    _clear(project)
    _call(project, *DVC, "repro", "--quiet")
    length = time.monotonic() - start
    if outputs(project) != wanted:
        sys.exit(f"error: {project}: two undisturbed runs differ")
    for number in range(times):
        _clear(project)
        yield _kill(project, rng.uniform(0, length), number % 2 == 1, wanted, dvc)


def _kill(project: Path, moment: float, alone: bool, wanted: dict[str, bytes], dvc: Sequence[str]) -> Kill:
    with tempfile.TemporaryFile("w+") as said:  # no pipe: a stage that lives on would hold it open
        process = subprocess.Popen(
            [*DVC, "repro"], cwd=project, start_new_session=True, stdout=said, stderr=subprocess.DEVNULL
        )
        time.sleep(moment)
        with contextlib.suppress(ProcessLookupError):  # it may be done
            (os.kill if alone else os.killpg)(process.pid, signal.SIGKILL)
        process.wait()
        said.seek(0)
        stages = [line.split("'")[1] for line in said if line.startswith("Running stage")]
    doctor = _call(project, *DOCTOR)
    again = _call(project, *dvc, "repro")
    repaired = tuple(line for line in doctor.stdout.splitlines() if "in order" not in line)
    problem = (doctor.stderr if doctor.returncode else "") + (again.stderr if again.returncode else "")
    return Kill(
        moment, stages[-1] if stages else "", alone, repaired, problem or _difference(outputs(project), wanted)
    )


def _difference(got: dict[str, bytes], wanted: dict[str, bytes]) -> str:
    names = sorted(name for name in got.keys() | wanted.keys() if got.get(name) != wanted.get(name))
    return f"other bytes than the undisturbed run: {', '.join(names)}" if names else ""


def outputs(project: Path) -> dict[str, bytes]:
    """Every file that the pipeline wrote, half-written ones too."""
    files = [path for root in WRITTEN for path in (project / root).rglob("*")]
    files += [project / name for name in FILES]
    return {path.relative_to(project).as_posix(): path.read_bytes() for path in files if path.is_file()}


def _clear(project: Path) -> None:
    """As before the first run; DVC's cache keeps the photos alone, since nothing else may be brought back."""
    shutil.rmtree(project / ".dvc/cache/runs", ignore_errors=True)
    for name in (*WRITTEN, "checkpoints"):
        for path in sorted((project / name).rglob("*"), reverse=True):  # what is in a folder before the folder
            if path.is_dir() and not path.is_symlink():
                with contextlib.suppress(OSError):  # not empty
                    path.rmdir()
            elif path.name != "README.md":  # the one file there that no stage writes
                path.unlink()
    for name in FILES:
        (project / name).unlink(missing_ok=True)


def _call(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=project, capture_output=True, text=True, check=False)


def printed(done: list[Kill]) -> str:
    """The table: kills per stage that was met, what was repaired, and what failed."""
    met = Counter(each.stage or "none" for each in done)
    wrong = Counter(each.stage or "none" for each in done if each.problem)
    lines = [f"{'stage that was met':20} {'kills':>5} {'failed':>6}"]
    lines += [f"{stage:20} {count:5} {wrong[stage]:6}" for stage, count in sorted(met.items())]
    lines.append(f"{'all':20} {len(done):5} {sum(wrong.values()):6}")
    repairs = Counter(line.split(":", 1)[-1].strip() for each in done for line in each.repaired)
    return "\n".join([*lines, *(f"{count:4} x {line}" for line, count in repairs.most_common())])


def main() -> None:
    """Read the words of the command line, kill, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill", description=__doc__)
    parser.add_argument("project", type=Path)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write what came of each kill here")
    given = parser.parse_args()
    if not (given.project / "dvc.lock").is_file():
        sys.exit(f"error: {given.project}: no dvc.lock there, expected a clone in which `dvc repro` has run")
    done = []
    for each in kills(given.project.resolve(), given.times, given.seed):
        done.append(each)
        print(
            f"{len(done):3} {each.moment:6.2f} s  {each.stage or '-':20} {each.problem or 'as undisturbed'}",
            flush=True,
        )
    if given.json:
        given.json.write_text(json.dumps([asdict(each) for each in done], indent=2) + "\n")
    print(printed(done))
    sys.exit(any(each.problem for each in done))


if __name__ == "__main__":
    main()
