"""What a stage reads is noted when it starts, and compared while it runs and when it ends.

DVC reads the parameters and dependencies of a stage once more when the stage has ended, and records those: a parameter
that was edited in between would be recorded as what the outputs were made from, for ever. So a stage that finds a
difference fails: DVC records nothing, and the outputs it has written are deleted. A checkpoint stays.

Parameter files are read once: all of a stage works with the values noted. Files are compared by their signatures first
(`file_digests`), and by digests where these differ: a file that is saved again with the same content is no change.

When a stage ends well, it leaves a note for `shoepair verify` (`stage_notes`).
"""

from __future__ import annotations

import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pathspec import GitIgnoreSpec

from shoepair.runtime import file_digests, parameter_files, stage_notes
from shoepair.runtime.dvc_watch import STAGE_VARIABLE
from shoepair.runtime.errors import ShoepairError, escape_unprintable
from shoepair.runtime.file_digests import Signature
from shoepair.runtime.stage_declaration import PIPELINE_FILE, Declaration, read_declaration

CODE_FOLDERS = (Path("shoepair"), Path("stages"))
HASHED_AT_START = 8 * 2**20  # bytes of a dependency: 15 ms. DVC's state knows the digests of larger ones
SAVING_SECONDS = 0.5  # after which one looks again: a file may be half saved by an editor
NAMED_CHANGES = 3  # in a message, of perhaps thousands
CHECK_SHARE = 100  # a check between pieces of work may take this fraction of the time
RANK_VARIABLE = "RANK"  # set by torchrun


class InputsChangedError(ShoepairError):
    """A parameter or a file that the running stage depends on has changed."""


@dataclass
class StageInputs:
    """The parameters and files that a stage depends on, as they were when it started. Picklable.

    Args:
        name: of the stage, such as "train@cnn"; "" for none.
        ignored: what DVC ignores.
        values: of the parameters, by file and key.
        parameter_files: signatures of the parameter files when their values were last compared and equal.
        files: signatures by dependency and file.
        digests: by file, as far as they are known.
    """

    name: str = ""
    ignored: GitIgnoreSpec = field(default_factory=lambda: GitIgnoreSpec([]))
    values: dict[Path, dict[str, Any]] = field(default_factory=dict)
    parameter_files: dict[Path, Signature] = field(default_factory=dict)
    files: dict[Path, dict[str, Signature]] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    _machine: str = field(default_factory=platform.node)
    _next_check: float = 0.0

    def check(self) -> None:
        """Compare everything.

        Raises:
            InputsChangedError: names what has changed.
        """
        self._raise_if_any(lambda: [*self._changed_parameters(), *self._changed_files()])

    def check_files(self) -> None:
        """Compare the files, before something is kept that was calculated from them.

        Raises:
            InputsChangedError: names what has changed.
        """
        self._raise_if_any(self._changed_files)

    def check_between_pieces(self) -> None:
        """Compare everything, unless that would take more than a hundredth of the time."""
        start = time.monotonic()
        if self.name and start >= self._next_check:
            self.check()
            self._next_check = time.monotonic() + CHECK_SHARE * (time.monotonic() - start)

    def _raise_if_any(self, list_changes: Callable[[], Sequence[str]]) -> None:
        if not list_changes():
            return
        time.sleep(SAVING_SECONDS)
        if not (changes := list_changes()):
            return
        shown = "; ".join(changes[:NAMED_CHANGES])
        more = f"; and {len(changes) - NAMED_CHANGES} more" if len(changes) > NAMED_CHANGES else ""
        message = f"{self.name}: {shown}{more} while it ran; its outputs were not kept"
        fix = "run `dvc repro`: with what is there now, or, if you put it back, on from where the stage stopped"
        raise InputsChangedError(message, fix=fix)

    def _is_elsewhere(self) -> bool:
        """Whether this is a copy on another machine of a cluster, where inodes and folders may differ."""
        return platform.node() != self._machine

    def _changed_parameters(self) -> Iterator[str]:
        for path, noted in ({} if self._is_elsewhere() else self.values).items():
            signature = file_digests.read_signature(path)
            if signature and signature == self.parameter_files.get(path):
                continue
            try:
                found = read_values(path, list(noted), path.read_text(encoding="utf-8"))
                differences = list(_describe_differences(path, noted, found))
            except (ShoepairError, OSError, UnicodeDecodeError):
                differences = [f"{path} changed and cannot be read"]
            if signature and not differences:  # another parameter, or a comment
                self.parameter_files[path] = signature
            yield from differences

    def _changed_files(self) -> list[str]:
        return [change for path, noted in self.files.items() for change in self._changes_in(path, noted)]

    def _changes_in(self, dependency: Path, noted: dict[str, Signature]) -> Iterator[str]:
        current = file_digests.list_signatures(dependency, self.ignored)
        if current == noted:
            return
        suspects = [name for name in noted if name in current and current[name] != noted[name]]
        unknown = {name: noted[name] for name in suspects if name not in self.digests}
        if unknown and not self._is_elsewhere():
            self.digests |= file_digests.read_dvc_digests(unknown)
        for name in suspects:
            digest = file_digests.compute_md5_of_noted(name, current[name])
            if digest and digest == self.digests.get(name):
                noted[name] = current[name]
            elif name in self.digests or not self._is_elsewhere():
                yield f"{escape_unprintable(name)} changed"
        if not self._is_elsewhere():
            yield from (f"{escape_unprintable(name)} was deleted" for name in sorted(noted.keys() - current.keys()))
            yield from (f"{escape_unprintable(name)} is new" for name in sorted(current.keys() - noted.keys()))

    def complete_digests(self) -> dict[str, str]:
        """Return the digest of every dependency, as DVC records it; read those files whose digests nobody knows."""
        noted = {name: signature for files in self.files.values() for name, signature in files.items()}
        unknown = {name: signature for name, signature in noted.items() if name not in self.digests}
        if unknown:
            self.digests |= file_digests.read_dvc_digests(unknown)
        for name in unknown.keys() - self.digests.keys():
            self.digests[name] = file_digests.compute_md5_of_noted(name, unknown[name]) or "changed"
        return {
            path.as_posix(): file_digests.combine_digests(path, {name: self.digests[name] for name in files})
            for path, files in self.files.items()
        }


_current = StageInputs()  # of this process: one stage runs in a process
_code_at_import: dict[Path, dict[str, Signature]] = {}  # by project folder


def current() -> StageInputs:
    """Return the inputs of the stage that runs in this process; without one, inputs that never change."""
    return _current


def note_code() -> None:
    """Note the signatures of the code, before a stage imports it: later it would be too late."""
    ignored = file_digests.read_ignore_rules()
    signatures = (file_digests.list_signatures(folder, ignored) for folder in CODE_FOLDERS)
    _code_at_import[Path.cwd()] = {name: signature for files in signatures for name, signature in files.items()}


def note_inputs(name: str, declaration: Declaration) -> StageInputs:
    """Note the parameters and files that a stage depends on, now; the code as it was when it was imported.

    Raises:
        ShoepairError: a parameter file cannot be read.
    """
    ignored = file_digests.read_ignore_rules()
    inputs = StageInputs(
        name,
        ignored,
        {
            path: read_values(path, keys, parameter_files.read_text(path))
            for path, keys in declaration.parameter_keys.items()
        },
        {},
        {path: file_digests.list_signatures(path, ignored) for path in declaration.dependencies},
    )
    code = _code_at_import.pop(Path.cwd(), {})
    for path, noted in inputs.files.items():
        if code and path.parts[0] in map(str, CODE_FOLDERS):
            inputs.files[path] = {name: code[name] for name in code if Path(name).is_relative_to(path)}
        if sum(signature.size for signature in noted.values()) <= HASHED_AT_START:
            digests = {name: file_digests.compute_md5_of_noted(name, sig) for name, sig in inputs.files[path].items()}
            inputs.digests |= {name: digest for name, digest in digests.items() if digest}
    return inputs


def read_values(path: Path, keys: Sequence[str], text: str) -> dict[str, Any]:
    """Return the values of keys such as `split.salt` in the text of a parameter file; None where it has none."""
    document = parameter_files.parse_parameters(path, text)
    return {key: _find_value(document, key) for key in keys}


def _find_value(document: Any, key: str) -> Any:
    for part in key.split("."):
        document = document.get(part) if isinstance(document, dict) else None
    return document


def _describe_differences(path: Path, noted: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    """Yield one text for each single value that differs, such as "lr in params.yaml changed from 0.001 to 0.7"."""
    before, now = (dict(_flatten_values(values)) for values in (noted, found))
    for name in [*before, *(now.keys() - before.keys())]:
        if before.get(name) != now.get(name):  # as DVC compares them
            yield f"{name} in {path} changed from {before.get(name)!r} to {now.get(name)!r}"


def _flatten_values(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from parameter_files.flatten(value, f"{key}.")
        else:
            yield key, value


@contextmanager
def watch_files(name: str, stage: str) -> Iterator[None]:
    """Run a command in this block that reads the files of a stage: note them, and compare them at the end.

    Args:
        name: of the command, for messages.
        stage: whose dependencies they are.

    Raises:
        InputsChangedError: a file has changed.
    """
    global _current
    _current = inputs = note_inputs(name, replace(read_declaration(stage), parameter_keys={}))
    try:
        yield
        inputs.check()
    finally:
        _current = StageInputs()


@contextmanager
def watch(stage: str, arguments: Sequence[str]) -> Iterator[None]:
    """Run a stage in this block: note its inputs, compare them at the end, and leave a note for `shoepair verify`.

    An error of the stage that a change explains is replaced by the change. Of several ranks only the first compares.

    Raises:
        InputsChangedError: something has changed; the outputs that the stage wrote are deleted.
    """
    global _current
    with parameter_files.freeze_files([PIPELINE_FILE]):
        declaration = read_declaration(stage, *arguments)
        with parameter_files.freeze_files(declaration.parameter_keys):
            if os.environ.get(RANK_VARIABLE, "0") != "0":
                yield
                return
            _current = inputs = note_inputs("@".join([stage, *arguments]), declaration)
            is_recorded = bool(os.environ.get(STAGE_VARIABLE))  # by DVC
            before = {path: file_digests.list_signatures(path, inputs.ignored) for path in declaration.outputs}
            stage_notes.note_path(inputs.name).unlink(missing_ok=True)
            try:
                try:
                    yield
                    note = _make_note(inputs, declaration) if is_recorded else None
                except InputsChangedError:
                    raise
                except (ShoepairError, OSError):
                    inputs.check()
                    raise
                inputs.check()
            except InputsChangedError:
                _delete_written(before, inputs.ignored)
                raise
            finally:
                _current = StageInputs()
    if note:
        stage_notes.write_note(inputs.name, note)


def _make_note(inputs: StageInputs, declaration: Declaration) -> stage_notes.StageNote:
    written = {path: file_digests.list_signatures(path, inputs.ignored) for path in declaration.outputs}
    outs = {
        path.as_posix(): file_digests.combine_digests(path, {name: file_digests.compute_md5(name) for name in files})
        for path, files in written.items()
    }
    values = {path.as_posix(): values for path, values in inputs.values.items()}
    return stage_notes.StageNote(declaration.command, values, inputs.complete_digests(), outs)


def _delete_written(before: Mapping[Path, Mapping[str, Signature]], ignored: GitIgnoreSpec) -> None:
    """Delete the outputs, files or folders, that differ from what was there before the stage ran."""
    for path, files in before.items():
        if file_digests.list_signatures(path, ignored) == files:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
