"""`shoepair repro`: the pipeline from the photos to the accuracies, stages side by side (`reproduction`).

DVC starts stages as plain `python`, so that must be the Python that has the packages, wherever this program was
started from.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from shoepair.commands.reproduction import COMMAND
from shoepair.runtime import progress, project_lock
from shoepair.runtime.cores import count_cores
from shoepair.runtime.errors import ShoepairError

if TYPE_CHECKING:
    from shoepair.commands.reproduction.plan import PlannedStage

UP_TO_DATE = "Data and pipelines are up to date."  # DVC's words


def run_pipeline(targets: Sequence[str] = (), jobs: int | None = None) -> None:
    """Do what `dvc repro TARGETS` does, stages side by side; print the lines of each stage when it ends.

    Args:
        targets: stages, with all that they need; none for all.
        jobs: cores for the stages that run at a time. By default those of this machine, which a last, incomplete round
            of stages shares; one stage at a time if it uses several processes or a cluster itself.

    Raises:
        ShoepairError: stages failed; there is no such stage; another command uses the project; `python` is another
            Python than this one.
        KeyboardInterrupt: Ctrl-C, after all stages have ended.
    """
    if jobs is not None and jobs < 1:
        message = f"--jobs {jobs}: expected 1 or more"
        raise ShoepairError(message, fix="leave it out for as many as there are cores")
    with project_lock.hold_shared(COMMAND, only_one=True):
        with progress.show_status("looking for what has changed"):
            from shoepair.commands.reproduction.plan import read_plan  # imported late: it loads DVC

            stages = read_plan(targets, progress.print_above_bar)
        if any(stage.is_affected for stage in stages):
            _run(stages, jobs)
        else:
            progress.print_above_bar(UP_TO_DATE)


def _run(stages: Sequence[PlannedStage], jobs: int | None) -> None:
    from shoepair.commands.reproduction import display, lock_entries, running, schedule  # imported late: often, there
    from shoepair.runtime import parallel  # is nothing to do

    environment = stage_environment()
    are_distributed = parallel.is_distributed()
    cores = jobs or (1 if are_distributed else count_cores())
    plan = schedule.Schedule(stages, cores, fills_last_round=jobs is None and not are_distributed)
    names = [stage.name for stage in stages]
    with lock_entries.keep_order(names, progress.print_above_bar), display.Display() as shown:
        running.run_stages(plan, shown, environment, shares_cores=not are_distributed)


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
