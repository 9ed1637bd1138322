"""The folder of the project: found from any folder in it, and made the current directory.

All paths of the pipeline are relative to it (`paths`). Paths that a user gives are relative to where the user is.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from shoepair.runtime.errors import ShoepairError

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

# Every project of this kind has these, and no other one that it may lie in.
PROJECT_FILES = (Path("dvc.yaml"), Path("params.yaml"), Path("stages/ingest.py"))


def find_root(folder: Path) -> Path:
    """Return the folder of the project that a folder lies in, the innermost one if there are several.

    Raises:
        ShoepairError: it lies in none.
    """
    absolute = Path(os.path.abspath(folder))  # noqa: PTH100  # links stay as the user named them
    for candidate in (absolute, *absolute.parents):
        if all((candidate / name).is_file() for name in PROJECT_FILES):
            return candidate
    names = ", ".join(name.as_posix() for name in PROJECT_FILES)
    message = f"{absolute}: in no shoepair project, neither it nor a folder above has {names}; nothing was changed"
    raise ShoepairError(message, fix="run the command in the folder of a project, or below it")


def enter_root() -> Path:
    """Make the project's folder the current directory; return the one before, for `rebase_path`.

    Raises:
        ShoepairError: the current directory lies in no project.
    """
    try:
        start = Path.cwd()
    except FileNotFoundError:
        message = "the current directory was deleted"
        raise ShoepairError(message, fix="go to the folder of the project, then run the command again") from None
    root = find_root(start)
    if root != start:
        os.chdir(root)
    return start


def rebase_path(path: Path, start: Path) -> Path:
    """Return a path that is relative to `start` as one for the current directory; unchanged where these are the same.

    A name with links and `..` keeps its meaning, since the system resolves it from `start`.
    """
    return path if path.is_absolute() or start == Path.cwd() else Path(os.path.relpath(start)) / path


def in_project(command: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Return a command that enters the project's folder first; the paths among its arguments are the user's."""

    @functools.wraps(command)
    def run(*positional: Parameters.args, **named: Parameters.kwargs) -> Result:
        start = enter_root()
        values = [_rebase_if_path(value, start) for value in positional]
        options = {name: _rebase_if_path(value, start) for name, value in named.items()}
        return command(*values, **options)  # type: ignore[arg-type]  # of the same types

    return run


def _rebase_if_path(value: object, start: Path) -> object:
    return rebase_path(value, start) if isinstance(value, Path) else value
