"""The journal of `shoepair add`: what a killed one left is known and undone by the next, or by `shoepair doctor`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from shoepair.commands import dvc_records
from shoepair.runtime import checked_files, paths
from shoepair.runtime.batch_names import BATCH_NAME_PATTERN
from shoepair.runtime.batches import load_batch_lists


@contextmanager
def journaled(batch: str) -> Iterator[None]:
    """Record what is being added; undo it if the block fails, keep the journal if the process is killed."""
    write_journal(batch)
    try:
        yield
    except BaseException:  # also Ctrl-C: a half-copied class would look complete
        if not _is_listed(batch):
            _undo_add(batch)
        raise
    finally:
        paths.ADD_JOURNAL.unlink(missing_ok=True)


def describe_killed_add() -> str:
    """Return a line that says what `undo_killed_add` does; "" if no `shoepair add` was killed."""
    if not paths.ADD_JOURNAL.is_file():
        return ""
    name = _read_journal()
    if not name:
        folders = [path for path in sorted(paths.RAW_FOLDER.iterdir()) if path.is_dir() and not _is_listed(path.name)]
        rest = f"; not listed, so perhaps half copied: {', '.join(map(str, folders))}" if folders else ""
        return f"{paths.ADD_JOURNAL}: damaged, and a `shoepair add` was killed; deleted{rest}"
    if _is_listed(name):
        return f"batch {name!r}: its `shoepair add` was killed at the end; the batch is complete"
    return f"batch {name!r}: its `shoepair add` was killed; {paths.raw_path(name)} was removed, add it again"


def undo_killed_add() -> None:
    """Undo a killed `shoepair add`, if there is one. The caller holds the project alone, so no other one runs."""
    if paths.ADD_JOURNAL.is_file():
        name = _read_journal()
        if name and not _is_listed(name):
            _undo_add(name)
        paths.ADD_JOURNAL.unlink()


def write_journal(batch: str) -> None:
    """Note which batch is being added, with a checksum: a damaged name must delete no other batch."""
    checked_files.write_checked(paths.ADD_JOURNAL, batch.encode())


def _read_journal() -> str:
    """Read which batch was being added; "" if the journal is damaged."""
    content = checked_files.read_checked(paths.ADD_JOURNAL) or b""
    name = content.decode(errors="replace")
    return name if BATCH_NAME_PATTERN.fullmatch(name) else ""  # it becomes a path


def _is_listed(batch: str) -> bool:
    return batch in load_batch_lists().batches


def _undo_add(batch: str) -> None:
    shutil.rmtree(paths.raw_path(batch), ignore_errors=True)
    dvc_records.dvc_file_path(batch).unlink(missing_ok=True)
