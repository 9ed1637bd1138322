"""data/withdrawn.yaml: the withdrawn students of each batch, so that every clone can delete their data.

It holds ids only, like u052. The file is in git: a teammate who pulls it runs `shoepair forget --purge` too.
"""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

from ruamel.yaml import YAML

from shoepair.data import naming
from shoepair.runtime import atomic_files, parameter_files, paths
from shoepair.runtime.errors import ShoepairError

FILE_HEADER = "# Students who withdrew, by batch: written by `shoepair forget`, read by `shoepair forget --purge`.\n"
STUDENT_PATTERN = re.compile(naming.STUDENT_LETTER + r"[0-9]+")


def withdrawn_students_by_batch() -> dict[str, list[str]]:
    """Read data/withdrawn.yaml: the withdrawn students of each batch; {} if the file is missing.

    Raises:
        ShoepairError: the file does not have this form.
    """
    if not paths.WITHDRAWN_LIST.is_file():
        return {}
    document = parameter_files.read_yaml(paths.WITHDRAWN_LIST)
    problems = [str(batch) for batch, students in document.items() if not _is_student_list(batch, students)]
    if problems:
        message = f"{paths.WITHDRAWN_LIST}: expected batches, each with a list of students like u052"
        raise ShoepairError(message, problems=problems, fix=f"correct it, or `git checkout {paths.WITHDRAWN_LIST}`")
    return document


def _is_student_list(batch: Any, students: Any) -> bool:
    return (
        isinstance(batch, str)
        and isinstance(students, list)
        and all(isinstance(student, str) and STUDENT_PATTERN.fullmatch(student) for student in students)
    )


def record_withdrawal(batch: str, student: str) -> None:
    """Add a student to data/withdrawn.yaml; a student is listed once only."""
    document = withdrawn_students_by_batch()
    document[batch] = sorted({*document.get(batch, []), student})
    yaml, out = YAML(), StringIO()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump(dict(sorted(document.items())), out)
    atomic_files.write_text(paths.WITHDRAWN_LIST, FILE_HEADER + out.getvalue())
