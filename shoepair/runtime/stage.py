"""Runs a stage: checks its arguments, libraries and inputs, shares the project, and prints user-facing errors."""

from __future__ import annotations

import gc
import inspect
import sys
from collections.abc import Callable
from pathlib import Path

from shoepair.runtime import dvc_watch, interruption, library_versions, project_lock, stage_inputs
from shoepair.runtime.errors import ShoepairError, exit_with_error, from_os_error


def run(main: Callable[..., None]) -> None:
    """Run a stage's `main` with the command-line arguments; print a user-facing error and exit 1."""
    gc.freeze()  # what is loaded stays: never look at it again, nor when Python ends
    gc.enable()
    arguments = sys.argv[1:]
    name = Path(inspect.getfile(main)).stem  # `main.__module__` is __main__ in a program
    try:
        inspect.signature(main).bind(*arguments)
    except TypeError:
        expected = " ".join(parameter.upper() for parameter in inspect.signature(main).parameters)
        given = " ".join(arguments) or "nothing"
        usage = f"usage: python -m stages.{name} {expected}".rstrip()
        sys.exit(f"error: {given}: not the arguments of this stage\n{usage}")
    with interruption.end_with_line(interruption.STAGE_LINE):
        try:
            with (
                project_lock.hold_shared(f"stage {'@'.join([name, *arguments])}"),
                stage_inputs.watch(name, arguments),
            ):
                library_versions.check_versions(name)
                dvc_watch.end_stage_with_dvc()
                main(*arguments)
        except ShoepairError as error:
            exit_with_error(error)
        except (OSError, MemoryError) as error:
            exit_with_error(from_os_error(error))
