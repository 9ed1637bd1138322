"""Editing of data/batches.yaml with its comments preserved.

ruamel.yaml attaches the comment lines above an entry to the previous entry, and would move or delete them with it.
So they are first attached to the entry below.
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

from shoepair.runtime import atomic_files, paths
from shoepair.runtime.batches import load_batch_lists


def append_list_entry(batch: str) -> None:
    """Append a batch to data/batches.yaml."""
    with _edit_document() as document:
        document["batches"].append(batch)


def set_only_list_entry(batch: str) -> None:
    """List this batch only, and no synthetic class, in one write: a kill leaves the old list or the new one."""
    with _edit_document() as document:
        document.update(batches=[batch], synthetic_classes={})


def remove_list_entry(batch: str) -> None:
    """Remove a batch, and its synthetic class if it is one, from data/batches.yaml."""
    with _edit_document() as document:
        document["batches"].remove(batch)
        document["synthetic_classes"].pop(batch, None)


@contextmanager
def _edit_document() -> Iterator[CommentedMap]:
    """Yield the content of the file; write it when the block ends."""
    load_batch_lists()  # reports mistakes in the file
    yaml, out = YAML(), StringIO()
    yaml.preserve_quotes = True
    yaml.width = 2**16  # do not wrap lines
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(paths.BATCH_LIST.read_text(encoding="utf-8"))
    _attach_comments_below(document)
    _attach_comments_below(document["synthetic_classes"])
    filled = [key for key in document if document[key]]
    yield document
    for key in filled:
        if not document[key]:
            _write_empty(document, key)
    yaml.dump(document, out)
    atomic_files.write_text(paths.BATCH_LIST, out.getvalue())


def _attach_comments_below(mapping: CommentedMap) -> None:
    """Attach comment lines to the key below them, or to the end of the file, instead of to the entry above."""
    for key, below in pairwise([*mapping, None]):
        node, last = mapping, key
        while isinstance(node[last], CommentedMap | CommentedSeq) and node[last] and not node[last].fa.flow_style():
            node = node[last]
            last = len(node) - 1 if isinstance(node, CommentedSeq) else list(node)[-1]
        tokens: list[Any] = node.ca.items.get(last, [None] * 3)
        token = tokens[slot := 0 if isinstance(node, CommentedSeq) else 2]
        same_line, _, lines = token.value.partition("\n") if token else ("", "", "")
        if not lines:
            continue
        tokens[slot] = CommentToken(f"{same_line}\n", token.start_mark) if same_line else None
        comment = [CommentToken(lines, CommentMark(0))]
        if below:
            mapping.ca.items.setdefault(below, [None] * 4)[1] = comment
        else:
            mapping.ca.comment = mapping.ca.comment or [None, None]
            mapping.ca.end = comment


def _write_empty(document: CommentedMap, key: str) -> None:
    """Write an emptied list or mapping as brackets; ruamel.yaml would put comments between key and brackets."""
    _, above, behind, first = document.ca.items.get(key, [None] * 4)
    lines = [*(above or []), *([CommentToken(behind.value, CommentMark(0))] if behind else []), *(first or [])]
    document.ca.items[key] = [None, lines or None, None, None]
    document[key] = type(document[key])()
