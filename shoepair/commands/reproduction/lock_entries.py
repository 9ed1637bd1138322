"""The order of the entries in dvc.lock: DVC appends one when its stage ends, so side by side their order is chance.

`dvc repro` keeps entries where they are and appends new ones in the order of its plan. So the entries that were there
at the start are noted in a file until the new ones are in order: a run that was killed leaves it to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dvc.utils.serialize import dumps_yaml, parse_yaml_for_update

from shoepair.commands.dvc_records import LOCK_PATH, read_lock_entries
from shoepair.commands.reproduction.plan import open_locked_repository
from shoepair.runtime import atomic_files
from shoepair.runtime.errors import ShoepairError

NOTE = Path(".dvc/tmp/shoepair/entries-before-repro")  # names, one a line


@contextmanager
def keep_order(planned: Sequence[str], print_line: Callable[[str], object]) -> Iterator[None]:
    """Put the entries that come in the block into the order of `dvc repro` at its end, however it ends.

    Args:
        planned: all stages in the order of `dvc repro`.
        print_line: gets a line if DVC's lock is waited for.
    """
    if not NOTE.is_file():
        atomic_files.write_text(NOTE, "\n".join(read_lock_entries()))
    before = NOTE.read_text().splitlines()
    try:
        yield
    finally:
        _sort_entries(before, planned, print_line)
        NOTE.unlink(missing_ok=True)


def _sort_entries(before: Sequence[str], planned: Sequence[str], print_line: Callable[[str], object]) -> None:
    try:
        found = list(read_lock_entries())
    except ShoepairError:  # damaged: `shoepair doctor` repairs it
        return
    if found == sort_names(found, before, planned):
        return
    with open_locked_repository(print_line):
        document = parse_yaml_for_update(LOCK_PATH.read_text(encoding="utf-8"), LOCK_PATH)
        stages = document["stages"]
        for name in sort_names(list(stages), before, planned):
            stages.move_to_end(name)
        atomic_files.write_text(LOCK_PATH, dumps_yaml(document))


def sort_names(found: Sequence[str], before: Sequence[str], planned: Sequence[str]) -> list[str]:
    """Return the names of entries in the order of `dvc repro`: those of before as they are, then those of the plan."""
    old, positions = set(before), {name: number for number, name in enumerate(planned)}
    new = [name for name in found if name not in old]
    return [name for name in found if name in old] + sorted(new, key=lambda name: positions.get(name, len(positions)))
