"""data/withdrawn.yaml: who withdrew from which batch, so that every clone of the project can forget them.

Only numbers stand there, like u052. The file is in git: a teammate who pulls it runs `shoepair forget --purge` too.
"""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

from ruamel.yaml import YAML

from shoepair.runtime import files, params, paths
from shoepair.runtime.errors import ShoepairError

HEAD = "# Students who withdrew, by batch: written by `shoepair forget`, read by `shoepair forget --purge`.\n"
STUDENT = re.compile(r"u[0-9]+")


def load() -> dict[str, list[str]]:
    """Batch -> its withdrawn students; empty if nobody ever withdrew.

    Raises:
        ShoepairError: the file does not have this form.
    """
    if not paths.WITHDRAWN.is_file():
        return {}
    document = params.read_yaml(paths.WITHDRAWN)
    problems = [str(batch) for batch, students in document.items() if not _is_list(batch, students)]
    if problems:
        found = f"{paths.WITHDRAWN}: expected batches, each with a list of students like u052"
        raise ShoepairError(found, problems=problems, fix=f"correct it, or `git checkout {paths.WITHDRAWN}`")
    return document


def _is_list(batch: Any, students: Any) -> bool:
    return (
        isinstance(batch, str)
        and isinstance(students, list)
        and all(isinstance(student, str) and STUDENT.fullmatch(student) for student in students)
    )


def append(batch: str, student: str) -> None:
    """Write down that a student withdrew; twice is once."""
    document = load()
    document[batch] = sorted({*document.get(batch, []), student})
    yaml, out = YAML(), StringIO()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump(dict(sorted(document.items())), out)
    files.write_text(paths.WITHDRAWN, HEAD + out.getvalue())
