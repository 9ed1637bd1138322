"""The versions of the libraries that results follow from: one table, `[tool.shoepair.results]` of pyproject.toml.

The table is in groups, such as `images`. Every stage names the groups that its results follow from as parameters in
dvc.yaml, so that another version in the table runs it again. What is installed is compared with the table when a stage
starts: an upgrade by pip would go unseen otherwise.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.params import read_yaml

TABLE = Path("pyproject.toml")
PREFIX = "tool.shoepair.results."
PIPELINE = Path("dvc.yaml")


def expected(groups: Iterable[str] | None = None) -> dict[str, str]:
    """The versions in the table, by library.

    Args:
        groups: names of groups; None for all.

    Raises:
        ShoepairError: there is no such table, or no such group in it.
    """
    try:
        project = tomllib.loads(TABLE.read_text(encoding="utf-8"))
        table: dict[str, dict[str, str]] = project["tool"]["shoepair"]["results"]
        return {library: number for group in groups or table for library, number in table[group].items()}
    except (FileNotFoundError, KeyError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        found = f"{TABLE}: no table [{PREFIX}{error.args[0] if isinstance(error, KeyError) else '*'}]"
        raise ShoepairError(found, fix=f"run in the project's folder, or `git checkout {TABLE}`") from None


def installed(library: str) -> str:
    """The installed version of a library, without the suffix that tells its build ("2.13.0" of "2.13.0+cpu")."""
    try:
        return version(library).partition("+")[0]
    except PackageNotFoundError:
        return "none"


def declared_groups(stage: str) -> list[str]:
    """The groups that a stage names in dvc.yaml."""
    entry: dict[str, Any] = read_yaml(PIPELINE)["stages"][stage]
    declared: list[Any] = entry.get("do", entry).get("params", [])
    names = [name for each in declared if isinstance(each, dict) for name in each.get(TABLE.name, [])]
    return [name.removeprefix(PREFIX) for name in names]


def check(stage: str) -> None:
    """Compare the installed libraries with those that a stage's results follow from.

    Raises:
        ShoepairError: a library has another version; one line.
    """
    wanted = expected(declared_groups(stage))
    differing = [
        f"{library} {installed(library)} is installed, expected {number}"
        for library, number in wanted.items()
        if installed(library) != number
    ]
    if differing:
        found = f"{'; '.join(differing)} ({TABLE}): run `python -m pip install --requirement requirements.lock`"
        raise ShoepairError(found)
