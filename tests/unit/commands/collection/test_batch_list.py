"""Changing data/batches.yaml: the entry in question and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ruamel.yaml import YAML
from support.field import ROOT

from shoepair.commands.collection import batch_list
from shoepair.runtime import atomic_files, paths

ORIGINAL = (ROOT / "data/batches.yaml").read_text()

pytestmark = pytest.mark.usefixtures("project")


def edit_list(text: str, change: Callable[[], None]) -> str:
    paths.BATCH_LIST.write_text(text)
    change()
    return paths.BATCH_LIST.read_text()


def test_new_batch_stands_after_the_last_and_before_the_next_comment() -> None:
    assert edit_list(ORIGINAL, lambda: batch_list.append_list_entry("late")) == ORIGINAL.replace(
        "  - drawn\n", "  - drawn\n  - late\n"
    )


def test_batch_added_and_removed_leaves_the_file_as_it_was() -> None:
    assert edit_list(ORIGINAL, lambda: batch_list.append_list_entry("late")) != ORIGINAL
    batch_list.remove_list_entry("late")
    assert paths.BATCH_LIST.read_text() == ORIGINAL


def test_removing_a_synthetic_class_removes_its_declaration() -> None:
    text = edit_list(ORIGINAL, lambda: batch_list.remove_list_entry("drawn"))
    assert YAML(typ="safe").load(text) == {"batches": [], "synthetic_classes": {}}
    assert "# Synthetic classes are rendered, not photographed" in text
    batch_list.append_list_entry("late")
    assert paths.BATCH_LIST.read_text().count("batches:\n  - late\n") == 1


def test_replacing_keeps_the_comments() -> None:
    text = edit_list(ORIGINAL, lambda: batch_list.set_only_list_entry("late"))
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        line for line in ORIGINAL.splitlines() if line.startswith("#")
    ]
    assert YAML(typ="safe").load(text) == {"batches": ["late"], "synthetic_classes": {}}


def test_replacing_is_one_write_so_that_a_kill_leaves_the_old_list_or_the_new(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(atomic_files, "write_text", lambda _path, text: written.append(text))
    batch_list.set_only_list_entry("late")
    assert [YAML(typ="safe").load(text) for text in written] == [{"batches": ["late"], "synthetic_classes": {}}]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("batches: [a, b]  # two\nsynthetic_classes: {}\n", {"batches": ["a", "b", "late"], "synthetic_classes": {}}),
        (
            "batches:\n- a # first\n- b\nsynthetic_classes: {}",
            {"batches": ["a", "b", "late"], "synthetic_classes": {}},
        ),
        ("synthetic_classes: {}\nbatches:\n  - a", {"batches": ["a", "late"], "synthetic_classes": {}}),
        ("synthetic_classes: {}\nbatches: []\n", {"batches": ["late"], "synthetic_classes": {}}),
    ],
)
def test_any_layout_is_read_back_with_the_new_batch(before: str, after: object) -> None:
    text = edit_list(before, lambda: batch_list.append_list_entry("late"))
    assert YAML(typ="safe").load(text) == after
    assert text.count("#") == before.count("#")


def test_comments_stay_with_what_stands_below_them() -> None:
    before = """# the list
batches:
  - a    # one
  - b    # two
# classes
synthetic_classes:
  a:
    students: 1
    test_students: 1
    seed: 1    # of a
  # the second
  b: {students: 1, test_students: 1, seed: 2}    # in one line

# the end
"""
    text = edit_list(before, lambda: batch_list.remove_list_entry("a"))
    assert text == before.replace("  - a    # one\n", "").replace(
        "  a:\n    students: 1\n    test_students: 1\n    seed: 1    # of a\n", ""
    )
    assert edit_list(text, lambda: batch_list.append_list_entry("late")) == text.replace(
        "# two\n", "# two\n  - late\n"
    )
    emptied = "# the list\nbatches: []\n# classes\n  # the second\nsynthetic_classes: {}\n\n# the end\n"
    assert edit_list(text, lambda: batch_list.remove_list_entry("b")) == emptied
    assert edit_list(text, lambda: batch_list.set_only_list_entry("late")) == emptied.replace(" []", "\n  - late")
