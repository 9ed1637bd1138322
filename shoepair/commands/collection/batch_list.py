"""data/batches.yaml, changed by a command: only the lines in question; comments and layout stay as they are.

ruamel.yaml knows on which line each entry stands. Its own writer would re-indent the file, and puts a new last item
behind the comment that belongs to the next key; so lines are changed, and the result is read again before it is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from shoepair.runtime import files, params, paths


def append(name: str) -> None:
    """Make a batch the last of the list."""
    files.write_text(paths.BATCHES, _with(_text(), name))


def replace(name: str) -> None:
    """Make a batch the only one, and no class a sample, in one write: a kill leaves the old list or the new."""
    files.write_text(paths.BATCHES, _with(_emptied(_text()), name))


def remove(name: str) -> None:
    """Take a batch from the list, and its sample class if it is one."""

    def without(document: Any) -> None:
        document["batches"].remove(name)
        document["samples"].pop(name, None)

    def lines_without(document: Any, lines: list[str]) -> None:
        starts = [document["batches"].lc.item(document["batches"].index(name))[0]]
        if name in document["samples"]:
            starts.append(document["samples"].lc.key(name)[0])
        _cut(lines, starts)

    files.write_text(paths.BATCHES, _changed(_text(), without, lines_without))


def _text() -> str:
    params.load_batches()  # its mistakes have their own messages
    return paths.BATCHES.read_text(encoding="utf-8")


def _with(text: str, name: str) -> str:
    """The file with a batch more, the last of the list."""

    def lines_with(document: Any, lines: list[str]) -> None:
        if not document["batches"]:
            line = document.lc.key("batches")[0]
            lines[line] = lines[line].replace(" []", "", 1)
            lines.insert(line + 1, f"  - {name}\n")
            return
        line, column = document["batches"].lc.item(len(document["batches"]) - 1)
        lines.insert(line + 1, f"{lines[line][: column - 2]}- {name}\n")

    return _changed(text, lambda document: document["batches"].append(name), lines_with)


def _emptied(text: str) -> str:
    """The file with both lists empty."""

    def without(document: Any) -> None:
        document["batches"].clear()
        document["samples"].clear()

    def lines_without(document: Any, lines: list[str]) -> None:
        starts = [document["samples"].lc.key(name)[0] for name in document["samples"]]
        starts += [document["batches"].lc.item(place)[0] for place in range(len(document["batches"]))]
        _cut(lines, starts)

    return _changed(text, without, lines_without)


def _cut(lines: list[str], starts: list[int]) -> None:
    """Delete the entries that start on these lines, each with what is indented under it."""
    for start in sorted(starts, reverse=True):  # from below, so that the lines above keep their numbers
        depth = _depth(lines[start])
        end = start + 1
        while end < len(lines) and lines[end].strip() and _depth(lines[end]) > depth:
            end += 1
        del lines[start:end]


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())


def _changed(text: str, wanted: Callable[[Any], None], in_lines: Callable[[Any, list[str]], None]) -> str:
    """The file with a change: line by line if that reads as it should, else as ruamel.yaml writes it."""
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(text)
    lines = text.splitlines(keepends=True)
    try:
        in_lines(document, lines)
    except (AttributeError, IndexError, KeyError, TypeError):  # in brackets, entries have no lines of their own
        lines = []
    wanted(document)
    changed = _with_brackets("".join(lines), document)
    if _read(changed) == document:
        return changed
    out = StringIO()
    yaml.dump(document, out)
    return out.getvalue()


def _with_brackets(text: str, document: Any) -> str:
    """A key whose last entry is gone needs the sign of an empty list or mapping."""
    for key, sign in (("batches", "[]"), ("samples", "{}")):
        if not document[key]:
            text = re.sub(rf"^{key}:(?=\s*(?:#.*)?$)", f"{key}: {sign}", text, flags=re.MULTILINE)
    return text


def _read(text: str) -> Any:
    try:
        return YAML(typ="safe").load(text)
    except YAMLError:
        return None
