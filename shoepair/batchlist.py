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

from shoepair import params, paths

Change = Callable[[Any], None]


def append(name: str) -> None:
    """Make a batch the last of the list."""

    def lines_with(document: Any, lines: list[str]) -> None:
        if not document["batches"]:
            line = document.lc.key("batches")[0]
            lines[line] = lines[line].replace(" []", "", 1)
            lines.insert(line + 1, f"  - {name}\n")
            return
        line, column = document["batches"].lc.item(len(document["batches"]) - 1)
        lines.insert(line + 1, f"{lines[line][: column - 2]}- {name}\n")

    _change(lambda document: document["batches"].append(name), lines_with)


def remove(name: str) -> None:
    """Take a batch from the list, and its sample class if it is one."""

    def without(document: Any) -> None:
        document["batches"].remove(name)
        document["samples"].pop(name, None)

    def lines_without(document: Any, lines: list[str]) -> None:
        if name in document["samples"]:
            _cut(lines, document["samples"].lc.key(name)[0])
        _cut(lines, document["batches"].lc.item(document["batches"].index(name))[0])

    _change(without, lines_without)


def clear() -> None:
    """Empty both lists."""

    def without(document: Any) -> None:
        document["batches"].clear()
        document["samples"].clear()

    def lines_without(document: Any, lines: list[str]) -> None:
        starts = [document["samples"].lc.key(name)[0] for name in document["samples"]]
        starts += [document["batches"].lc.item(place)[0] for place in range(len(document["batches"]))]
        for start in sorted(starts, reverse=True):  # from below, so that the lines above keep their numbers
            _cut(lines, start)

    _change(without, lines_without)


def _cut(lines: list[str], start: int) -> None:
    """Delete the entry that starts on this line, with what is indented under it."""
    depth = len(lines[start]) - len(lines[start].lstrip())
    end = start + 1
    while end < len(lines) and lines[end].strip() and len(lines[end]) - len(lines[end].lstrip()) > depth:
        end += 1
    del lines[start:end]


def _change(wanted: Change, in_lines: Callable[[Any, list[str]], None]) -> None:
    """Write the file with a change: line by line if that reads as it should, else as ruamel.yaml writes it."""
    params.load_batches()  # its mistakes have their own messages
    text = paths.BATCHES.read_text(encoding="utf-8")
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
    if _read(changed) != document:
        out = StringIO()
        yaml.dump(document, out)
        changed = out.getvalue()
    paths.write_text(paths.BATCHES, changed)


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
