"""data/batches.yaml, changed by a command; comments stay as they are.

ruamel.yaml writes the file as it read it, with its comments. But it attaches the comment lines above an entry to the
entry before, and would move or delete them with that one: they are attached to what stands below them first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from itertools import pairwise
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark
from ruamel.yaml.tokens import CommentToken

from shoepair.runtime import files, paths
from shoepair.runtime.batches import load_batches


def append(name: str) -> None:
    """Make a batch the last of the list."""
    with _document() as document:
        document["batches"].append(name)


def replace(name: str) -> None:
    """Make a batch the only one, and no class a sample, in one write: a kill leaves the old list or the new."""
    with _document() as document:
        document.update(batches=[name], samples={})


def remove(name: str) -> None:
    """Take a batch from the list, and its sample class if it is one."""
    with _document() as document:
        document["batches"].remove(name)
        document["samples"].pop(name, None)


@contextmanager
def _document() -> Iterator[CommentedMap]:
    """The content of the file, written when the block ends."""
    load_batches()  # its mistakes have their own messages
    yaml, out = YAML(), StringIO()
    yaml.preserve_quotes = True
    yaml.width = 2**16  # do not wrap lines
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(paths.BATCHES.read_text(encoding="utf-8"))
    _attach_comments_below(document)
    _attach_comments_below(document["samples"])
    filled = [key for key in document if document[key]]
    yield document
    for key in filled:
        if not document[key]:
            _empty(document, key)
    yaml.dump(document, out)
    files.write_text(paths.BATCHES, out.getvalue())


def _attach_comments_below(mapping: CommentedMap) -> None:
    """Attach comment lines to the key below them, or to the end of the file, instead of the last entry above them."""
    for key, below in pairwise([*mapping, None]):
        node, last = mapping, key
        while isinstance(node[last], CommentedMap | CommentedSeq) and node[last] and not node[last].fa.flow_style():
            node = node[last]
            last = len(node) - 1 if isinstance(node, CommentedSeq) else list(node)[-1]
        tokens: list[Any] = node.ca.items.get(last, [None] * 3)
        token = tokens[place := 0 if isinstance(node, CommentedSeq) else 2]
        own, _, lines = token.value.partition("\n") if token else ("", "", "")
        if not lines:
            continue
        tokens[place] = CommentToken(f"{own}\n", token.start_mark) if own else None
        comment = [CommentToken(lines, CommentMark(0))]
        if below:
            mapping.ca.items.setdefault(below, [None] * 4)[1] = comment
        else:
            mapping.ca.comment = mapping.ca.comment or [None, None]
            mapping.ca.end = comment


def _empty(document: CommentedMap, key: str) -> None:
    """Write an emptied list or mapping as brackets; ruamel.yaml would put comments between key and brackets."""
    _, above, behind, first = document.ca.items.get(key, [None] * 4)
    lines = [*(above or []), *([CommentToken(behind.value, CommentMark(0))] if behind else []), *(first or [])]
    document.ca.items[key] = [None, lines or None, None, None]
    document[key] = type(document[key])()
