"""Run a stage of the pipeline: its arguments, its libraries, and one message where a user's mistake ends it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path

from shoepair.runtime import libraries
from shoepair.runtime.errors import ShoepairError, refused


def run(main: Callable[..., None]) -> None:
    """Run a stage's `main` on the words of the command line; print a user's mistake and exit 1."""
    words = sys.argv[1:]
    name = Path(inspect.getfile(main)).stem  # run as a program, its module is called __main__
    try:
        inspect.signature(main).bind(*words)
    except TypeError:
        wanted = " ".join(parameter.upper() for parameter in inspect.signature(main).parameters)
        given = " ".join(words) or "nothing"
        usage = f"usage: python -m stages.{name} {wanted}".rstrip()
        sys.exit(f"error: {given}: not the arguments of this stage\n{usage}")
    try:
        libraries.check(name)
        main(*words)
    except ShoepairError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {refused(error)}")
