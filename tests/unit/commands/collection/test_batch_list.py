"""Changing data/batches.yaml: the entry in question and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ruamel.yaml import YAML
from support.field import ROOT

from shoepair.commands.collection import batch_list
from shoepair.runtime import files, paths

OWN = (ROOT / "data/batches.yaml").read_text()

pytestmark = pytest.mark.usefixtures("project")


def changed(text: str, change: Callable[[], None]) -> str:
    paths.BATCHES.write_text(text)
    change()
    return paths.BATCHES.read_text()


def test_new_batch_stands_after_the_last_and_before_the_next_comment() -> None:
    assert changed(OWN, lambda: batch_list.append("late")) == OWN.replace("  - drawn\n", "  - drawn\n  - late\n")


def test_batch_added_and_removed_leaves_the_file_as_it_was() -> None:
    assert changed(OWN, lambda: batch_list.append("late")) != OWN
    batch_list.remove("late")
    assert paths.BATCHES.read_text() == OWN


def test_removing_a_sample_class_takes_what_it_is_drawn_from() -> None:
    text = changed(OWN, lambda: batch_list.remove("drawn"))
    assert YAML(typ="safe").load(text) == {"batches": [], "samples": {}}
    assert "# Sample classes are drawn, not photographed" in text
    batch_list.append("late")
    assert paths.BATCHES.read_text().count("batches:\n  - late\n") == 1


def test_replacing_keeps_the_comments() -> None:
    text = changed(OWN, lambda: batch_list.replace("late"))
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        line for line in OWN.splitlines() if line.startswith("#")
    ]
    assert YAML(typ="safe").load(text) == {"batches": ["late"], "samples": {}}


def test_replacing_is_one_write_so_that_a_kill_leaves_the_old_list_or_the_new(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(files, "write_text", lambda _path, text: written.append(text))
    batch_list.replace("late")
    assert [YAML(typ="safe").load(text) for text in written] == [{"batches": ["late"], "samples": {}}]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("batches: [a, b]  # two\nsamples: {}\n", {"batches": ["a", "b", "late"], "samples": {}}),
        ("batches:\n- a # first\n- b\nsamples: {}", {"batches": ["a", "b", "late"], "samples": {}}),
        ("samples: {}\nbatches:\n  - a", {"batches": ["a", "late"], "samples": {}}),
        ("samples: {}\nbatches: []\n", {"batches": ["late"], "samples": {}}),
    ],
)
def test_any_layout_is_read_back_with_the_new_batch(before: str, after: object) -> None:
    text = changed(before, lambda: batch_list.append("late"))
    assert YAML(typ="safe").load(text) == after
    assert text.count("#") == before.count("#")


def test_comments_stay_with_what_stands_below_them() -> None:
    before = """# the list
batches:
  - a    # one
  - b    # two
# classes
samples:
  a:
    students: 1
    test_students: 1
    seed: 1    # of a
  # the second
  b: {students: 1, test_students: 1, seed: 2}    # in one line

# the end
"""
    text = changed(before, lambda: batch_list.remove("a"))
    assert text == before.replace("  - a    # one\n", "").replace(
        "  a:\n    students: 1\n    test_students: 1\n    seed: 1    # of a\n", ""
    )
    assert changed(text, lambda: batch_list.append("late")) == text.replace("# two\n", "# two\n  - late\n")
    emptied = "# the list\nbatches: []\n# classes\n  # the second\nsamples: {}\n\n# the end\n"
    assert changed(text, lambda: batch_list.remove("b")) == emptied
    assert changed(text, lambda: batch_list.replace("late")) == emptied.replace(" []", "\n  - late")
