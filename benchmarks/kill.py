"""SIGKILL at random moments: commands that write, killed, repaired and repeated, end as if undisturbed.

    python -m benchmarks.kill PROJECT [--times 60] [--seed 1] [--until STAGE ...] [--json FILE]

PROJECT is a clone of this project with a small class in which `dvc repro` has run, as far as --until says, and is
committed. Every kill happens in a copy of it. A kill meets one of `COMMANDS`; every third time another command runs at
the same time. It hits the command with all its processes, every second time its first process alone. Then `shoepair
doctor` runs, the commands run again, and `dvc repro`; photos, lists, outputs and records are compared with those of an
undisturbed run, and `shoepair verify` reads everything. With --json a stopped benchmark goes on where it was.
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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from ruamel.yaml import YAML

from shoepair.runtime import checked_files, paths

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
LISTS = ("params.yaml", "data/batches.yaml", "data/withdrawn.yaml")
CLI = ("-m", "shoepair")
EXTRA, NEW = "kill-extra", "kill-new"  # batches: one to remove, one to add
STUDENTS = {EXTRA: ("u9001", "u9002", "u9003", "u9004"), NEW: ("u9015", "u9016", "u9017", "u9018")}  # u9017: valid


@dataclass(frozen=True)
class Command:
    """A command that writes, and how it is brought to its end after a kill."""

    name: str
    words: tuple[str, ...]  # behind `python`; () is `dvc repro`
    prepare: Callable[[Path, Sequence[str]], object] = lambda *_: None  # makes the state before it; gets `dvc repro`
    is_done: Callable[[Path], bool] = lambda _: False  # whether it would be refused, since nothing is left to do
    after_repro: bool = False  # whether it reads outputs of the pipeline


@dataclass(frozen=True)
class Kill:
    """The result of one kill."""

    number: int
    command: str
    other: str  # that ran at the same time, or ""
    moment: float  # seconds after the start
    alone: bool  # whether only the first process was killed
    refused: bool  # whether the command was refused instead, since the other used the project
    repaired: tuple[str, ...]  # repairs that `shoepair doctor` reported
    problem: str  # "" if everything ended as in the undisturbed run
    seed: int = 1


def _listed(project: Path) -> list[str]:
    return list(YAML(typ="safe").load((project / "data/batches.yaml").read_text())["batches"])


def _clear(project: Path, _repro: Sequence[str]) -> None:
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


def _damage(project: Path, _repro: Sequence[str]) -> None:
    """Leave what kills leave, for doctor to be killed at."""
    lock = project / "dvc.lock"
    lock.write_bytes(lock.read_bytes()[: lock.stat().st_size // 2])
    (project / "data/store/.half.h5.x1.part").write_bytes(b"half")
    (project / "data/raw/half/train").mkdir(parents=True)
    (project / "data/raw/half/train/u9201_1_left_m.png").write_bytes(b"half")
    checked_files.write_checked(project / paths.ADD_JOURNAL, b"half")


def _withdraw(project: Path, repro: Sequence[str]) -> None:
    _python(project, *CLI, "forget", STUDENTS[EXTRA][0], "--batch", EXTRA)
    _python(project, *repro)
    _commit(project, "Withdraw")


SIDE_BY_SIDE = "shoepair repro"
COMMANDS = (
    Command("repro", (), _clear),
    Command(SIDE_BY_SIDE, (*CLI, "repro", "--jobs", "3"), _clear),
    Command("add", (*CLI, "add", f"../{NEW}", "--name", NEW), is_done=lambda project: NEW in _listed(project)),
    Command(
        "add --alone",
        (*CLI, "add", f"../{NEW}", "--name", NEW, "--alone"),
        is_done=lambda project: NEW in _listed(project),
    ),
    Command("remove", (*CLI, "remove", EXTRA), is_done=lambda project: EXTRA not in _listed(project)),
    Command("forget", (*CLI, "forget", STUDENTS[EXTRA][1], "--batch", EXTRA)),
    Command("forget --purge", (*CLI, "forget", "--purge"), _withdraw),
    Command("doctor", (*CLI, "doctor"), _damage),
    Command("crossval", (*CLI, "crossval", "histogram", "--folds", "2", "--json"), after_repro=True),
    Command("export", (*CLI, "export", "npy", "--split", "train"), after_repro=True),
)
BY_NAME = {command.name: command for command in COMMANDS}
# What may run beside a command so that the order of the two makes no difference in the end.
OTHERS = {
    "repro": ("add", "doctor", "forget"),
    SIDE_BY_SIDE: ("add", "doctor", "forget"),
    "add": ("repro", "doctor", "forget"),
    "add --alone": ("repro", "doctor"),
    "remove": ("repro", "doctor", "export"),
    "forget": ("repro", "doctor", "add"),
    "forget --purge": ("repro", "doctor", "export"),
    "doctor": ("repro", "add", "crossval"),
    "crossval": ("doctor", "add", "export"),
    "export": ("doctor", "forget", "crossval"),
}


def run_kills(
    project: Path,
    times: int,
    seed: int,
    until: Sequence[str] = (),
    *,
    done: Sequence[int] = (),
    commands: Sequence[str] = (),
) -> Iterator[Kill]:
    """Kill commands again and again, each in a copy of the project.

    Args:
        project: its folder, where everything is up to date and committed.
        times: number of kills.
        seed: of the moments.
        until: the last stages that `dvc repro` runs; () for all.
        done: numbers of kills that are done already.
        commands: names of those to kill; all by default.

    Yields:
        The result of each kill.
    """
    chosen = [BY_NAME[name] for name in commands] or list(COMMANDS)
    with tempfile.TemporaryDirectory(prefix="kill-") as folder:
        bench = _Bench(Path(folder), project, until)
        for number in (number for number in range(times) if number not in done):
            rng = random.Random(f"{seed}-{number}")
            command = chosen[number % len(chosen)]
            beside = (number + number // len(chosen)) % 3 == 2  # each command in turn
            other = BY_NAME[rng.choice(OTHERS[command.name])] if beside else None
            yield bench.kill(number, command, other, rng.random(), alone=number % 2 == 1, seed=seed)


class _Bench:
    """The folder of a benchmark: the prepared project, a class to add, and the states of undisturbed runs."""

    def __init__(self, folder: Path, project: Path, until: Sequence[str]) -> None:
        self._base, self._work = folder / "base", folder / "work"
        self._until = tuple(until)
        self._repro = ("-m", "dvc", "repro", "--quiet", *until)
        self._undisturbed: dict[tuple[str, ...], tuple[float, dict[str, Any]]] = {}
        for batch, students in STUDENTS.items():
            _write_class(folder / batch, students)
        shutil.copytree(project, self._base, symlinks=True)
        _python(self._base, *CLI, "add", f"../{EXTRA}", "--name", EXTRA)
        _python(self._base, *self._repro)
        _commit(self._base, "Add a class")

    def kill(self, number: int, command: Command, other: Command | None, moment: float, **how: Any) -> Kill:
        """Kill a command at a moment, a share of its time; repair, repeat, and compare."""
        both = [command, *([other] if other else [])]
        seconds, expected = self._undisturbed_state(both)
        seconds *= moment
        while True:
            project = self._copy(command)
            second = _start(project, self._words(other)) if other else None
            first = _start(project, self._words(command))
            with contextlib.suppress(subprocess.TimeoutExpired):
                first.wait(seconds)
            if met := first.poll() is None:
                (os.kill if how["alone"] else os.killpg)(first.pid, signal.SIGKILL)
                first.wait()
            status = second.wait() if second else 0
            if met or first.returncode:  # else too late: it was faster than the undisturbed one
                break
            seconds /= 2
        problem = f"the other: exit status {status}" if status not in {0, 1, 255} else ""  # 1, 255: project in use
        try:
            repaired = self._finish(project, both)
            problem = problem or _difference(_state(project), expected)
        except RuntimeError as error:
            repaired, problem = (), str(error)
        name = other.name if other else ""
        return Kill(
            number, command.name, name, round(seconds, 2), how["alone"], not met, repaired, problem, how["seed"]
        )

    def _undisturbed_state(self, commands: list[Command]) -> tuple[float, dict[str, Any]]:
        """Return how long the first command takes, and the state after all of them."""
        key = tuple(command.name for command in commands)
        if key not in self._undisturbed:
            project = self._copy(commands[0])
            start = time.monotonic()
            _python(project, *self._words(commands[0]))
            seconds = time.monotonic() - start
            self._finish(project, commands)
            self._undisturbed[key] = seconds, _state(project)
        return self._undisturbed[key]

    def _words(self, command: Command) -> Sequence[str]:
        words = command.words or self._repro
        return (*words, *self._until) if command.name == SIDE_BY_SIDE else words

    def _copy(self, command: Command) -> Path:
        shutil.rmtree(self._work, ignore_errors=True)
        shutil.copytree(self._base, self._work, symlinks=True)
        command.prepare(self._work, self._repro)
        return self._work

    def _finish(self, project: Path, commands: list[Command]) -> tuple[str, ...]:
        """Repair, bring the commands to their ends, run the pipeline and verify; return the repairs."""
        lines = _python(project, *CLI, "doctor").splitlines()
        for after_repro in (False, True):
            for command in commands:
                if command.after_repro == after_repro and command.words and not command.is_done(project):
                    _python(project, *self._words(command))
            if not after_repro:
                _python(project, *self._repro)
        _python(project, *CLI, "verify")
        return tuple(line for line in lines if ": valid" not in line)


def _start(project: Path, words: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a command in a group of its own; its output is lost: a pipe would be held by a stage that lives on."""
    quiet = subprocess.DEVNULL
    return subprocess.Popen([sys.executable, *words], cwd=project, start_new_session=True, stdout=quiet, stderr=quiet)


def _python(project: Path, *words: str) -> str:
    """Run a command that must succeed; return what it printed."""
    done = subprocess.run([sys.executable, *words], cwd=project, capture_output=True, text=True, check=False)
    if done.returncode:
        text = f"{' '.join(words)}: exit status {done.returncode}: {done.stderr.strip()}"
        raise RuntimeError(text)
    return done.stdout


def _commit(project: Path, message: str) -> None:
    for words in (["add", "--all"], ["-c", "user.name=kill", "-c", "user.email=kill", "commit", "-q", "-m", message]):
        subprocess.run(["git", *words], cwd=project, capture_output=True, check=True)


def _write_class(folder: Path, students: Sequence[str]) -> None:
    """Write photos of noise, different for every student and shoe; the last student is a test student."""
    for number, student in enumerate(students):
        subset = "test_m" if number == len(students) - 1 else "train"
        (folder / subset).mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(int(student[1:]))
        for pair in (1, 2, 3):
            for side in ("left", "right"):
                pixels = rng.integers(0, 60, (64, 64, 3), np.uint8) + rng.integers(0, 190, 3, np.uint8)
                Image.fromarray(pixels).save(folder / subset / f"{student}_{pair}_{side}_m.png")


def outputs(project: Path) -> dict[str, bytes]:
    """Return the content of every file that the pipeline wrote, half-written ones included."""
    return _read(project, WRITTEN, FILES)


def _state(project: Path) -> dict[str, Any]:
    """Return all that must not be lost: outputs, photos, lists; of dvc.lock the content, in any order."""
    state: dict[str, Any] = outputs(project) | _read(project, ("data/raw",), LISTS)
    return state | {"dvc.lock": YAML(typ="safe").load(state["dvc.lock"].decode())}


def _read(project: Path, folders: Sequence[str], files: Sequence[str]) -> dict[str, bytes]:
    found = [path for folder in folders for path in (project / folder).rglob("*")]
    found += [project / name for name in files]
    return {path.relative_to(project).as_posix(): path.read_bytes() for path in found if path.is_file()}


def _difference(result: dict[str, Any], expected: dict[str, Any]) -> str:
    names = sorted(name for name in result.keys() | expected.keys() if result.get(name) != expected.get(name))
    return f"other than the undisturbed run: {', '.join(names)}" if names else ""


def format_table(kills: list[Kill]) -> str:
    """Format the table: kills per command, failures, repairs."""
    rows = [("all", kills), *((name, [kill for kill in kills if kill.command == name]) for name in BY_NAME)]
    lines = [f"{'command':16} {'kills':>5} {'two at once':>11} {'refused':>7} {'failed':>6}"]
    for name, some in rows:
        beside, failed = sum(bool(kill.other) for kill in some), sum(bool(kill.problem) for kill in some)
        refused = sum(kill.refused for kill in some)
        lines.append(f"{name:16} {len(some) - refused:5} {beside:11} {refused:7} {failed:6}")
    repairs = Counter(line.split(":", 1)[-1].strip() for kill in kills for line in kill.repaired)
    return "\n".join([*lines, *(f"{count:4} x {line}" for line, count in repairs.most_common())])


def main() -> None:
    """Parse the command line, kill, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill", description=__doc__)
    parser.add_argument("project", type=Path)
    parser.add_argument("--times", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--until", nargs="+", default=(), help="last stages of `dvc repro`; default: all")
    parser.add_argument("--json", type=Path, help="file for the result of each kill")
    options = parser.parse_args()
    if not (options.project / "dvc.lock").is_file():
        sys.exit(f"error: {options.project}: no dvc.lock there, expected a clone in which `dvc repro` has run")
    kills: list[Kill] = []
    if options.json and options.json.is_file():
        kills = [Kill(**row | {"repaired": tuple(row["repaired"])}) for row in json.loads(options.json.read_text())]
        kills = [kill for kill in kills if kill.seed == options.seed]
    done = [kill.number for kill in kills]
    for kill in run_kills(options.project.resolve(), options.times, options.seed, options.until, done=done):
        kills.append(kill)
        names = f"{kill.command} + {kill.other}" if kill.other else kill.command
        print(f"{kill.number:3} {kill.moment:6.2f} s  {names:26} {kill.problem or 'as undisturbed'}", flush=True)
        if options.json:
            options.json.write_text(json.dumps([asdict(kill) for kill in kills], indent=2) + "\n")
    print(format_table(kills))
    sys.exit(any(kill.problem for kill in kills))


if __name__ == "__main__":
    main()
