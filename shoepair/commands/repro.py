"""`shoepair repro`: the pipeline from the photos to the accuracies, by `dvc repro`; for machines without make too.

DVC starts stages as plain `python`, so that must be the Python that has the packages, wherever this program was
started from.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from shoepair.runtime.errors import ShoepairError


def run_dvc_repro() -> None:
    """Run `dvc repro`, with its output to the terminal.

    Raises:
        ShoepairError: a stage failed, or `python` is another Python than this one.
        KeyboardInterrupt: Ctrl-C, after DVC and its stage have ended.
    """
    sys.stdout.flush()  # before the output of DVC
    process = subprocess.Popen([sys.executable, "-m", "dvc", "repro"], env=stage_environment())
    try:
        status = _wait(process)
    finally:
        if process.poll() is None:  # this program is being ended
            process.terminate()
            process.wait()
    if status:
        message = f"`dvc repro` failed with exit status {status}: see its messages above"
        raise ShoepairError(message, fix="correct this, then run the command again: it goes on from there")


def stage_environment() -> dict[str, str]:
    """Return the environment variables with which `python` starts the Python that runs this program.

    Raises:
        ShoepairError: this Python has no program of that name.
    """
    environment = dict(os.environ)
    if _starts_this_python(environment):
        return environment
    folder = Path(sys.executable).parent
    environment["PATH"] = os.pathsep.join([str(folder), environment.get("PATH", os.defpath)])
    if not _starts_this_python(environment):
        message = f"{folder}: no program `python`, with which DVC starts the stages"
        fix = "make a virtual environment (`python3 -m venv .venv`), install the packages there, and use its python"
        raise ShoepairError(message, fix=fix)
    return environment


def _starts_this_python(environment: Mapping[str, str]) -> bool:
    """Return whether `python` is this environment's: asked, since it may be a link, a launcher or a script."""
    found = shutil.which("python", path=environment.get("PATH", os.defpath))
    if not found:
        return False
    words = [found, "-c", "import sys; print(sys.prefix)"]
    done = subprocess.run(words, capture_output=True, check=False, env=environment, stdin=subprocess.DEVNULL)
    return done.stdout.decode(errors="replace").strip() == sys.prefix


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Wait for the end of a process that gets Ctrl-C too; killed, it could leave a torn dvc.lock."""
    is_interrupted = False
    while True:
        try:
            status = process.wait()
            break
        except KeyboardInterrupt:
            is_interrupted = True
    if is_interrupted:
        raise KeyboardInterrupt
    return status
