"""From a clean clone to the report page, step by step: seconds, processor seconds and bytes, beside another commit.

    python -m benchmarks.first_result [--other 3579a3d] [--steps clone install repro] [--folder DIR] [--json FILE]
    python -m benchmarks.first_result --skip-install --environments .venv OTHER/.venv --epochs 2

Both commits do the same steps: `git clone`, `make setup` (the virtual environment and its packages), `make repro`. The
checkout is measured as it was committed. They take turns within each step: one runs for `--slice` seconds while the
other is stopped (SIGSTOP), so that both get the same share of what else the machine does. Seconds are those in which
a side ran; processor seconds are those of all its processes. Stages report their own at their end: of the commit's
`python -m stages...` each writes a line, by a `sitecustomize` on the PYTHONPATH.

With `--folder` the clones stay, and a later call goes on with other `--steps`. `--skip-install` makes, in place of
`make setup`, an environment that borrows the packages of a given one. `--epochs` makes training shorter.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import venv
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.output import print_results

ROOT = Path(__file__).parent.parent
STEPS = ("clone", "install", "repro")
OTHER = "3579a3d"
PAGE = Path("reports/index.html")
STAGES_FILE = "stages.jsonl"
# Writes a line for every `python -m stages.NAME ...` that ends: name, when it started and ended, processor seconds.
REPORTER = """
import atexit, json, os, sys, time
words = sys.orig_argv
if "-m" in words and words[words.index("-m") + 1 :][:1] and words[words.index("-m") + 1].startswith("stages."):
    def report(start=time.time(), words=words[words.index("-m") + 1 :], process=os.getpid()):
        if os.getpid() == process:
            used = os.times()
            line = [" ".join(words).removeprefix("stages."), start, time.time(), sum(used[:4])]
            with open(os.environ["FIRST_RESULT_STAGES"], "a") as file:
                file.write(json.dumps(line) + "\\n")
    atexit.register(report)
"""
Row = dict[str, Any]


class StepError(Exception):
    """A step of a commit that failed, with the end of its output."""


@dataclass
class Side:
    """A commit and its clone.

    Args:
        name: "ours" or "other".
        commit: to check out.
        folder: holds the clone, the output of its commands and what its stages reported.
        environment: a virtual environment whose packages are borrowed, if none is installed.
        spans: when it ran, in the current step: (start, end) of `time.time`.
    """

    name: str
    commit: str
    folder: Path
    environment: Path | None = None
    spans: list[tuple[float, float]] = field(default_factory=list)

    @property
    def clone(self) -> Path:
        """The folder of the clone."""
        return self.folder / "clone"

    def overlap(self, start: float, end: float) -> float:
        """Return for how many seconds this side ran between two times."""
        return sum(max(0.0, min(end, until) - max(start, since)) for since, until in self.spans)


def command_of(step: str, side: Side) -> list[str]:
    """Return the words of a step's command, to be run in the clone's folder, or beside it for `clone`."""
    if step == "clone":
        text = 'git clone --quiet --no-hardlinks "$1" clone && git -C clone checkout --quiet --detach "$2"'
        return ["sh", "-c", text, "sh", str(ROOT), side.commit]
    return ["make", "setup" if step == "install" else "repro"]


def environment_of(side: Side) -> dict[str, str]:
    """Return the variables of a step: none of the environment that runs this program."""
    hidden = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    variables = {name: value for name, value in os.environ.items() if name not in hidden}
    variables["PATH"] = os.pathsep.join(
        part for part in os.environ["PATH"].split(os.pathsep) if Path(part) != Path(sys.prefix) / "bin"
    )
    variables["PYTHONPATH"] = str(side.folder / "reporter")
    variables["FIRST_RESULT_STAGES"] = str(side.folder / STAGES_FILE)
    return variables


def run_step(step: str, sides: Sequence[Side], slice_seconds: float) -> list[Row]:
    """Run a step of all sides, in turns of some seconds; return a row for each.

    Raises:
        StepError: a command failed.
    """
    processes: dict[str, subprocess.Popen[bytes]] = {}
    rows = {side.name: {"step": step, "side": side.name, "seconds": 0.0, "cpu": 0.0} for side in sides}
    for side in sides:
        side.spans.clear()
    waiting = list(sides)
    try:
        while waiting:
            side = waiting.pop(0)
            before, start = _children_cpu(), time.time()
            if side.name in processes:
                _signal_all(processes[side.name], signal.SIGCONT)
            else:
                processes[side.name] = _start(step, side)
            process = processes[side.name]
            try:
                process.wait(timeout=slice_seconds if waiting else None)
            except subprocess.TimeoutExpired:
                _signal_all(process, signal.SIGSTOP)
                waiting.append(side)
            side.spans.append((start, time.time()))
            rows[side.name]["cpu"] = _children_cpu() - before  # counted when the process has ended
            if process.returncode:
                output = (side.folder / f"{step}.txt").read_text(errors="replace").splitlines()[-8:]
                message = "\n".join([f"{side.name} ({side.commit}): {step} failed", *output])
                raise StepError(message)
    finally:
        for process in processes.values():
            if process.poll() is None:
                _signal_all(process, signal.SIGKILL)
                process.wait()
    for side in sides:
        rows[side.name]["seconds"] = sum(end - start for start, end in side.spans)
    return list(rows.values())


def _start(step: str, side: Side) -> subprocess.Popen[bytes]:
    """Start a step, in a session of its own: the kernel hangs up stopped processes when the shell of theirs ends."""
    folder = side.folder if step == "clone" else side.clone
    with (side.folder / f"{step}.txt").open("wb") as output:
        return subprocess.Popen(
            command_of(step, side),
            cwd=folder,
            env=environment_of(side),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _children_cpu() -> float:
    """Return the processor seconds of all child processes that were waited for, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _signal_all(process: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal to a process and all its descendants, whatever their groups; also to what they start meanwhile."""
    reached = set[psutil.Process]()
    while True:
        try:
            tree = {psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)}
        except psutil.NoSuchProcess:
            return
        if not tree - reached:
            return
        for each in tree - reached:
            with suppress(psutil.NoSuchProcess):
                each.send_signal(number)
        reached |= tree


def stage_rows(side: Side) -> list[Row]:
    """Return a row for every stage that ran in the current step, in the order of their starts."""
    path = side.folder / STAGES_FILE
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    path.unlink(missing_ok=True)
    return [
        {"step": name, "side": side.name, "seconds": side.overlap(start, end), "cpu": cpu}
        for name, start, end, cpu in sorted(lines, key=lambda line: line[1])
    ]


def disk_bytes(folder: Path) -> dict[str, int]:
    """Return the bytes of a clone's files: environment, DVC's cache, the rest; hard-linked files count once."""
    sizes, seen = {"environment": 0, "cache": 0, "rest": 0}, set[tuple[int, int]]()
    for where, _, names in os.walk(folder):
        part = Path(where).relative_to(folder).parts
        kind = "environment" if part[:1] == (".venv",) else "cache" if part[:2] == (".dvc", "cache") else "rest"
        for name in names:
            stat = (Path(where) / name).lstat()
            if (stat.st_dev, stat.st_ino) not in seen:
                seen.add((stat.st_dev, stat.st_ino))
                sizes[kind] += stat.st_size
    return sizes


def prepare(step: str, side: Side, epochs: int | None) -> None:
    """Do what a step needs that is not measured: the reporter; after `clone` a borrowed environment and the epochs."""
    if step == "clone":
        (side.folder / "reporter").mkdir(parents=True, exist_ok=True)
        (side.folder / "reporter/sitecustomize.py").write_text(REPORTER)
        shutil.rmtree(side.clone, ignore_errors=True)
        return
    if side.environment and not (side.clone / ".venv").exists():
        borrow_environment(side.clone, side.environment)
    if epochs and step == "repro":
        params = side.clone / "params.yaml"
        params.write_text(re.sub(r"^epochs: \d+", f"epochs: {epochs}", params.read_text(), flags=re.MULTILINE))


def borrow_environment(clone: Path, lender: Path) -> None:
    """Make a clone's .venv: its own programs and code, the packages of another one, to which nothing is written.

    A path in a .pth file is searched, but its own .pth files are not read: they lead to the lender's project.
    """
    venv.create(clone / ".venv", symlinks=True)
    words = [str(lender / "bin/python"), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    (own,) = (clone / ".venv/lib").glob("python*/site-packages")
    (own / "borrowed.pth").write_text(f"{clone}\n{packages}\n")
    scripts = tomllib.loads((clone / "pyproject.toml").read_text())["project"]["scripts"]
    for name, target in {**scripts, "dvc": "dvc.cli:main"}.items():
        module, _, function = target.partition(":")
        program = clone / ".venv/bin" / name
        program.write_text(
            f"#!{clone}/.venv/bin/python\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n"
        )
        program.chmod(0o755)
    (clone / ".venv/.ready").touch()  # so that make installs nothing


def measure(steps: Sequence[str], sides: Sequence[Side], slice_seconds: float, epochs: int | None) -> dict[str, Any]:
    """Run the steps of both sides; return rows of steps and stages, and bytes after each step.

    Raises:
        StepError: a command failed, or there is no report page in the end.
    """
    rows, disk = list[Row](), list[Row]()
    for step in steps:
        for side in sides:
            prepare(step, side, epochs)
        for row, side in zip(run_step(step, sides, slice_seconds), sides, strict=True):
            rows += [row, *stage_rows(side)]
            disk.append({"step": step, "side": side.name, **disk_bytes(side.clone)})
            if step == "repro" and not (side.clone / PAGE).is_file():
                message = f"{side.name} ({side.commit}): no {PAGE} after `make repro`"
                raise StepError(message)
    return {"commits": {side.name: side.commit for side in sides}, "rows": rows, "disk": disk}


def format_table(result: dict[str, Any]) -> str:
    """Format a table: seconds and processor seconds of every step and stage, ratios, then gigabytes."""
    ours, other = ({row["step"]: row for row in result["rows"] if row["side"] == side} for side in ("ours", "other"))
    lines = [f"{'step':24} {'s':>8} {'other':>8} {'ratio':>6} {'cpu s':>8} {'other':>8} {'ratio':>6}"]
    for step in dict.fromkeys([*ours, *other]):
        cells = []
        for key in ("seconds", "cpu"):
            values = [side[step][key] if step in side else None for side in (ours, other)]
            cells += [f"{'-' if value is None else f'{value:.1f}':>8}" for value in values]
            both = None not in values and values[1]
            cells.append(f"{values[0] / values[1]:6.2f}" if both else f"{'-':>6}")  # type: ignore[operator]
        lines.append(f"{step:24} {' '.join(cells)}")
    lines.append(f"{'after':16} {'side':7} {'environment':>12} {'cache':>8} {'rest':>8}  GB")
    for row in result["disk"]:
        sizes = [row[kind] / 1e9 for kind in ("environment", "cache", "rest")]
        lines.append(f"{row['step']:16} {row['side']:7} {sizes[0]:12.2f} {sizes[1]:8.2f} {sizes[2]:8.2f}")
    return "\n".join(lines)


def resolve_commit(name: str) -> str:
    """Return the full name of a commit of this repository; end the program with one line if there is none."""
    words = ["git", "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: {name}: no commit of {ROOT}; name another one by `--other`")
    return done.stdout.strip()


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.first_result", description=__doc__)
    parser.add_argument("--other", default=OTHER, help="commit to compare with")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=STEPS)
    parser.add_argument("--skip-install", action="store_true", help="borrow the packages of --environments")
    parser.add_argument("--environments", nargs=2, type=Path, metavar=("OURS", "OTHER"))
    parser.add_argument("--epochs", type=int, help="of every training; by default those of params.yaml")
    parser.add_argument("--slice", type=float, default=15, help="seconds that one side runs before the other's turn")
    parser.add_argument("--folder", type=Path, help="of the clones, which then stay; by default a temporary one")
    parser.add_argument("--json", type=Path, help="file for the numbers; by default they are printed")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):  # nothing that is stopped may stay behind
        signal.signal(number, lambda number, _frame: sys.exit(128 + number))
    if options.skip_install != bool(options.environments):
        parser.error("--skip-install and --environments OURS OTHER belong together")
    environments = options.environments or (None, None)
    steps = [step for step in STEPS if step in options.steps and not (options.skip_install and step == "install")]
    with ExitStack() as stack:
        temporary = None if options.folder else stack.enter_context(tempfile.TemporaryDirectory())
        folder = (options.folder or Path(str(temporary))).resolve()
        commits = {"ours": resolve_commit("HEAD"), "other": resolve_commit(options.other)}
        sides = [
            Side(name, commit, folder / name, environment)
            for (name, commit), environment in zip(commits.items(), environments, strict=True)
        ]
        for side in sides:
            if steps[:1] != ["clone"] and not side.clone.is_dir():
                sys.exit(f"error: {side.clone}: no clone; begin with `--steps clone` and the same --folder")
        try:
            result = measure(steps, sides, options.slice, options.epochs)
        except StepError as error:
            sys.exit(f"error: {error}")
    print_results(result, format_table(result), options.json)


if __name__ == "__main__":
    main()
