"""Receipts of purges."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from shoepair.commands.collection.purging import receipts
from shoepair.commands.collection.purging.search import Finding
from shoepair.runtime import checked_files

COUNTS = Counter({("DVC's cache", "photo"): 6, ("remote 'store'", "run"): 2})
STUDENTS = {"winter": ["u052", "u053"]}
LEFT = [Finding("project folder", "picture", Path(f"holiday/u052-{number}.jpg"), "may show them") for number in (1, 2)]


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_receipt_has_counts_and_reasons_and_names_nobody() -> None:
    receipt = receipts.end(receipts.begin(COUNTS), STUDENTS, LEFT, ["other clones"])
    assert receipt == Path("reports/withdrawals/1.md")
    text = receipt.read_text()
    assert "Withdrawn students: 2 of batch `winter`." in text
    assert "| DVC's cache | photo | 6 |\n| remote 'store' | run | 2 |" in text
    assert text.endswith("## What remains\n\n- project folder: 2 x picture: may show them\n- other clones\n")
    assert not any(word in text for word in ("u052", "holiday", "jpg"))
    assert not receipts.NOTES.exists()


def test_purge_that_found_nothing_new_writes_no_receipt() -> None:
    first = receipts.end(receipts.begin(COUNTS), STUDENTS, LEFT, [])
    assert first is not None
    nothing: Counter[tuple[str, str]] = Counter()
    assert receipts.end(receipts.begin(nothing), STUDENTS, LEFT, []) is None
    second = receipts.end(receipts.begin(nothing), STUDENTS, [], [])
    assert second == Path("reports/withdrawals/2.md")
    assert "Nothing was left to delete." in second.read_text()
    for number in range(3, 12):
        assert receipts.end(receipts.begin(COUNTS), STUDENTS, [], []) == Path(f"reports/withdrawals/{number}.md")


def test_receipt_after_a_killed_purge_is_that_of_an_undisturbed_one() -> None:
    undisturbed = receipts.end(receipts.begin(COUNTS), STUDENTS, [], [])
    assert undisturbed is not None
    wanted = undisturbed.read_bytes()
    undisturbed.unlink()
    receipts.begin(COUNTS)
    left = Counter({("DVC's cache", "photo"): 1})  # the others are deleted
    again = receipts.end(receipts.begin(left), STUDENTS, [], [])
    assert again is not None
    assert again.read_bytes() == wanted


@pytest.mark.parametrize("content", ["", "[", "[[1]]", "[3]", '[["a", "b", "x"]]'])
def test_notes_that_a_kill_tore_are_ignored(content: str) -> None:
    checked_files.write_checked(receipts.NOTES, content.encode())
    assert receipts.begin(COUNTS) == COUNTS
    receipts.NOTES.write_text(content)
    assert receipts.begin(COUNTS) == COUNTS
