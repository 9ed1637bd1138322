"""Compare the records of dvc.lock with what the stages noted that they read (`runtime/stage_notes.py`).

DVC reads parameters and dependencies again after a stage has ended. What was edited in that moment is recorded as what
the outputs were made from, and nothing else would ever tell. A record is reported only if it is certain to be wrong:
its outputs are those of the noted run, its inputs are not, and neither did DVC record the noted run elsewhere (run
cache, commits: then the record of today came from a checkout, a pull or the run cache), nor is the record of today in
a commit older than the run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from shoepair.commands import dvc_records
from shoepair.runtime import stage_notes, yaml_files
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.stage_notes import StageNote


def find_wrong_records(run_cache: Path) -> list[str]:
    """Return one line for each stage whose record in dvc.lock has other inputs than the stage read.

    Args:
        run_cache: DVC's folder of earlier records, by the digest of their inputs.
    """
    records = dvc_records.read_lock_entries()
    problems = []
    for name, note in stage_notes.read_notes().items():
        differences = list(_describe_differences(records[name], note)) if name in records else []
        if differences and not _is_explained(name, note, records[name], run_cache):
            fix = f"`dvc repro --force --single-item {name}` runs it again"
            problems.append(f"{name}: dvc.lock has {'; '.join(differences)}; {fix}")
    return problems


def _describe_differences(record: Mapping[str, Any], note: StageNote) -> Iterator[str]:
    """Yield what differs between the inputs of a record and of a note with the same outputs."""
    if _digests(record, "outs") != note.outs:  # the record of another run
        return
    for file, values in _parameters(record).items():
        for key, value in values.items():
            noted = note.params.get(file, {})
            if key in noted and noted[key] != value:
                yield from _describe_values(file, key, value, noted[key])
    for path, digest in _digests(record, "deps").items():
        if note.deps.get(path, digest) != digest:
            yield f"another {path} than the stage read"


def _describe_values(file: str, key: str, recorded: Any, noted: Any) -> Iterator[str]:
    """Yield one text for each single value that differs, also in sections."""
    if isinstance(recorded, dict) and isinstance(noted, dict):
        for name in sorted(recorded.keys() | noted.keys()):
            if recorded.get(name) != noted.get(name):
                yield from _describe_values(file, f"{key}.{name}", recorded.get(name), noted.get(name))
    else:
        yield f"{key} = {recorded!r} ({file}), but the stage ran with {noted!r}"


def _digests(record: Mapping[str, Any], entry_type: str) -> dict[str, str]:
    return {entry["path"]: entry["md5"] for entry in record.get(entry_type, []) if "md5" in entry}


def _parameters(record: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the parameters of a record as a note would have them."""
    values: dict[str, dict[str, Any]] = json.loads(json.dumps(record.get("params", {}), default=str))
    return values


def _is_explained(name: str, note: StageNote, record: Mapping[str, Any], run_cache: Path) -> bool:
    """Return whether DVC recorded the noted run, or the record of today is older than it."""
    required = [digest.encode() for digest in note.outs.values()]

    def is_of_noted_run(other: Mapping[str, Any]) -> bool:
        is_alike = other.get("cmd") == note.cmd and _digests(other, "outs") == note.outs
        return is_alike and not list(_describe_differences(other, note))

    for path in run_cache.glob("*/*/*"):
        content = path.read_bytes()
        if all(digest in content for digest in required):
            with suppress(ShoepairError):
                if is_of_noted_run(yaml_files.parse_mapping(content, str(path), "")):
                    return True
    # In whole seconds, as git has them: a commit of the same second is newer, since a stage takes longer to start.
    noted_at = int(stage_notes.note_path(name).stat().st_mtime)
    for committed_at, content in dvc_records.iter_committed_locks():
        if all(digest in content for digest in required):
            with suppress(ShoepairError):  # a commit may have a damaged one
                other = dvc_records.read_lock_entries(content).get(name, {})
                if is_of_noted_run(other) or (other == record and committed_at < noted_at):
                    return True
    return False
