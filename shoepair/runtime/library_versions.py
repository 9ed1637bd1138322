"""Versions of the libraries that affect results: the table `[tool.shoepair.results]` of pyproject.toml.

The table has groups, such as `images`. Every stage declares the groups that affect its results as parameters in
dvc.yaml, so it runs again when a version in the table changes. Each stage compares the installed versions with the
table when it starts: DVC does not notice an upgrade by pip.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.parameter_files import read_text
from shoepair.runtime.stage_declaration import read_declaration

VERSIONS_FILE = Path("pyproject.toml")
GROUP_PREFIX = "tool.shoepair.results."
TORCH = "torch"


def expected_version_by_library(groups: Iterable[str] | None = None) -> dict[str, str]:
    """Read the expected version of each library from pyproject.toml.

    Args:
        groups: names of the groups to read; None for all.

    Raises:
        ShoepairError: there is no such table, or no such group in it.
    """
    try:
        project = tomllib.loads(read_text(VERSIONS_FILE))
        table: dict[str, dict[str, str]] = project["tool"]["shoepair"]["results"]
        return {library: number for group in groups or table for library, number in table[group].items()}
    except (FileNotFoundError, KeyError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{VERSIONS_FILE}: no table [{GROUP_PREFIX}{error.args[0] if isinstance(error, KeyError) else '*'}]"
        raise ShoepairError(message, fix=f"run in the project's folder, or `git checkout {VERSIONS_FILE}`") from None


def installed_version(library: str) -> str:
    """Return the installed version without build suffix ("2.13.0" for "2.13.0+cpu"), or "none" if it is missing."""
    try:
        return version(library).partition("+")[0]
    except PackageNotFoundError:
        return "none"


def list_stage_library_groups(stage: str) -> list[str]:
    """Read the names of the library groups that a stage declares in dvc.yaml."""
    names = read_declaration(stage).parameter_keys.get(VERSIONS_FILE, [])
    return [name.removeprefix(GROUP_PREFIX) for name in names]


def check_versions(stage: str) -> None:
    """Raise an error if an installed library differs from the version that a stage expects.

    Raises:
        ShoepairError: one line with every library that differs.
    """
    expected = expected_version_by_library(list_stage_library_groups(stage))
    differing = [
        f"{library} {installed_version(library)} is installed, expected {number}"
        for library, number in expected.items()
        if installed_version(library) != number
    ]
    if differing:
        calls = ["--requirement requirements.lock"]
        if installed_version(TORCH) != expected.get(TORCH, installed_version(TORCH)):
            calls.append(f"{TORCH}=={expected[TORCH]}")  # not in the lock, see Makefile
        commands = " and ".join(f"`python -m pip install {call}`" for call in calls)
        message = f"{'; '.join(differing)} ({VERSIONS_FILE}): run {commands}"
        raise ShoepairError(message)
