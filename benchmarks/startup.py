"""Start of every stage and of `shoepair --help`: processor seconds and modules, beside another commit.

    python -m benchmarks.startup [--other COMMIT] [--other-python PYTHON] [--programs NAME ...] [--times N]

A stage is started as DVC starts it, but with arguments that it does not have: it ends where its work would begin, in
every commit. Both commits start in turns, so that the noise of the machine meets both; seconds are the least of all
starts, user and system, and those of Python itself are in them. `-X importtime` tells what is loaded. An older commit
may need libraries that this one has left: `--other-python` is then the Python of an environment that has them.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.output import print_results
from benchmarks.watching import ROOT
from shoepair.runtime.errors import ShoepairError

OTHER_COMMIT = "3579a3d"
USAGE = "not the arguments of this stage"
HELP = "shoepair --help"
# Libraries that take a tenth of a second or more to load, or that only few programs need.
HEAVY = (
    *("dvc", "faiss", "fsspec", "h5py", "jinja2", "matplotlib", "networkx", "numpy", "pandas", "pandera", "pebble"),
    *("PIL", "pyarrow", "pydantic", "ray", "scipy", "skimage", "sklearn", "starlette", "sympy", "torch"),
)


@dataclass
class Program:
    """A program of one commit: how it is started, and what its starts took.

    Args:
        name: "stages.pairs", or `HELP`.
        python: that starts it.
        folder: of the commit's files.
    """

    name: str
    python: str
    folder: Path
    seconds: list[float] = field(default_factory=list)
    import_seconds: float = 0.0
    modules: list[str] = field(default_factory=list)

    def start(self, *options: str) -> str:
        """Start it with options of Python, note the processor seconds, and return what it printed to stderr.

        Raises:
            ShoepairError: it does not get to the point where its work would begin.
        """
        if self.name == HELP:  # older commits have no `python -m shoepair`, and no module of this name
            module = "shoepair" if (self.folder / "shoepair/__main__.py").is_file() else "shoepair.cli"
            words = ["-m", module, "--help"]
        else:
            words = ["-m", self.name, "no", "such", "argument"]
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [self.python, *options, *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if (self.name == HELP and done.returncode) or (self.name != HELP and USAGE not in done.stderr):
            message = f"{self.name} in {self.folder}: does not start"
            fix = "give the Python of an environment of that commit: --other-python"
            raise ShoepairError(message, problems=done.stderr.strip().splitlines()[-1:], fix=fix)
        self.seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return done.stderr

    def list_modules(self) -> None:
        """Start it with `-X importtime`, and note its modules and the seconds that they took to load."""
        lines = [line for line in self.start("-X", "importtime").splitlines() if line.startswith("import time:")]
        self.seconds.pop()  # printing takes time too
        columns = [line.removeprefix("import time:").split("|") for line in lines[1:]]
        self.import_seconds = sum(int(own) for own, _, _ in columns) / 1e6
        self.modules = [name.strip() for _, _, name in columns]

    def heavy_libraries(self) -> list[str]:
        """Return the libraries of `HEAVY` that it loads."""
        return [name for name in HEAVY if name in self.modules]

    def numbers(self) -> dict[str, Any]:
        """Return what was measured."""
        return {
            "cpu_seconds": round(min(self.seconds), 3),
            "import_seconds": round(self.import_seconds, 3),
            "modules": len(self.modules),
            "heavy": self.heavy_libraries(),
        }


def list_programs() -> list[str]:
    """Return the names of all programs: stages, and the command's help."""
    return [*(f"stages.{path.stem}" for path in sorted((ROOT / "stages").glob("[a-z]*.py"))), HELP]


def extract_commit(commit: str, folder: Path) -> None:
    """Write the files of a commit to a folder.

    Raises:
        ShoepairError: there is no such commit.
    """
    done = subprocess.run(["git", "archive", commit, "shoepair", "stages"], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        message = f"{commit}: not a commit of this project"
        raise ShoepairError(message, problems=[done.stderr.decode().strip()], fix="name one: --other COMMIT")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")


def compare(names: list[str], folders: list[Path], pythons: list[str], times: int) -> list[dict[str, Any]]:
    """Start each program in every folder, in turns; return a row each with the numbers of the first and the second."""
    rows = []
    for name in names:
        programs = [Program(name, python, folder) for folder, python in zip(folders, pythons, strict=True)]
        for program in programs:
            program.list_modules()  # also writes the byte code, and reads the files from the disk
        for _ in range(times):
            for program in programs:
                program.start()
        ours, other = (program.numbers() for program in programs)
        ratio = round(ours["cpu_seconds"] / other["cpu_seconds"], 2)
        rows.append({"program": name, "ours": ours, "other": other, "ratio": ratio})
        print(format_table(rows[-1:]).splitlines()[-1], file=sys.stderr)
    return rows


def format_table(rows: list[dict[str, Any]]) -> str:
    """Format the rows as a Markdown table."""
    lines = ["| program | CPU s | before | ratio | modules | before | libraries |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        ours, other = row["ours"], row["other"]
        cells = [ours["cpu_seconds"], other["cpu_seconds"], row["ratio"], ours["modules"], other["modules"]]
        lines.append(f"| {row['program']} | {' | '.join(map(str, cells))} | {' '.join(ours['heavy'])} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=__doc__)
    parser.add_argument("--other", default=OTHER_COMMIT, help="commit to compare with")
    parser.add_argument("--other-python", default=sys.executable, help="Python of its environment")
    parser.add_argument("--programs", nargs="+", default=list_programs(), choices=list_programs(), metavar="NAME")
    parser.add_argument("--times", type=int, default=5, help="starts, of which the least counts")
    parser.add_argument("--json", type=Path, help="file for the numbers; by default they are printed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            extract_commit(options.other, Path(folder))
            pythons = [sys.executable, options.other_python]
            rows = compare(options.programs, [ROOT, Path(folder)], pythons, options.times)
        except ShoepairError as error:
            sys.exit(f"error: {error}")
    print_results(rows, format_table(rows), options.json)


if __name__ == "__main__":
    main()
