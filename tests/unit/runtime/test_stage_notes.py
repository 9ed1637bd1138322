"""Notes of the runs of stages."""

from __future__ import annotations

from pathlib import Path

import pytest

from shoepair.runtime import checked_files, stage_notes
from shoepair.runtime.stage_notes import StageNote

NOTE = StageNote("python -m stages.pairs", {"params.yaml": {"seed": 1}}, {"stages/pairs.py": "a"}, {"data/x": "b"})


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_note_is_read_as_it_was_written_and_has_the_same_bytes() -> None:
    Path(".dvc").mkdir()
    stage_notes.write_note("train@cnn", NOTE)
    content = stage_notes.note_path("train@cnn").read_bytes()
    assert content.isascii(), "`forget --purge` deletes what it cannot read of .dvc/tmp"
    assert stage_notes.read_notes() == {"train@cnn": NOTE}
    stage_notes.write_note("train@cnn", NOTE)
    assert stage_notes.note_path("train@cnn").read_bytes() == content


def test_folder_without_dvc_gets_no_note() -> None:
    stage_notes.write_note("pairs", NOTE)
    assert list(Path().iterdir()) == []
    assert stage_notes.read_notes() == {}


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b'{"cmd": "x", "params": {}, "deps": {}, "outs": {}, "more": 1}']
)
def test_note_of_another_layout_is_left_out(content: bytes) -> None:
    Path(".dvc").mkdir()
    stage_notes.write_note("pairs", NOTE)
    checked_files.write_checked(stage_notes.note_path("split"), content)
    assert stage_notes.read_notes() == {"pairs": NOTE}


def test_note_with_a_turned_bit_is_left_out() -> None:
    Path(".dvc").mkdir()
    stage_notes.write_note("pairs", NOTE)
    path = stage_notes.note_path("pairs")
    content = path.read_bytes()
    for index in range(len(content)):
        path.write_bytes(content[:index] + bytes([content[index] ^ 1]) + content[index + 1 :])
        assert stage_notes.read_notes() == {}
