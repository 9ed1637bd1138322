"""Notes of the last run of each stage: what it read, left for `shoepair verify`.

DVC records parameters and dependencies after a stage has ended, so what changes in that moment is recorded as what the
outputs were made from. The note has the parameters and the digests that the record should have. It is no output: a
clone has none, and `verify` says nothing about what has no note.

Layout, JSON with a checksum (`checked_files.py`) in .dvc/tmp/shoepair/inputs/<stage>: `cmd` and `params` as in
dvc.lock; `deps` and `outs`, digests by path. Folders have one digest: no name of a photo is in a note.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from shoepair.runtime import checked_files, json_files
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.project_lock import DVC_FOLDER

NOTE_FOLDER = DVC_FOLDER / "tmp/shoepair/inputs"


@dataclass(frozen=True)
class StageNote:
    """A run of a stage: its command, parameters by file and key, digests of dependencies and outputs by path."""

    cmd: str
    params: Mapping[str, Mapping[str, Any]]
    deps: Mapping[str, str]
    outs: Mapping[str, str]


def note_path(name: str) -> Path:
    """Return the path of the note of a stage, such as "train@cnn"."""
    return NOTE_FOLDER / name


def write_note(name: str, note: StageNote) -> None:
    """Write the note of a stage that has just ended; nothing in a folder without DVC."""
    if DVC_FOLDER.is_dir():
        content = json.dumps(asdict(note), sort_keys=True, default=str)
        checked_files.write_checked(note_path(name), content.encode())


def read_notes() -> dict[str, StageNote]:
    """Read all notes, by stage; those that are damaged or of another layout are left out."""
    notes = {}
    for path in sorted(NOTE_FOLDER.glob("*")):
        with suppress(ShoepairError, TypeError):
            notes[path.name] = StageNote(
                **json_files.parse_json(checked_files.read_checked(path) or b"", str(path), "")
            )
    return notes
