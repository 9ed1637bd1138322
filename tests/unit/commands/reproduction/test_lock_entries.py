"""The entries of dvc.lock end in the order of `dvc repro`, byte for byte as DVC writes them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from dvc.utils.serialize import dump_yaml
from support.settings import write

from shoepair.commands.reproduction import lock_entries
from shoepair.commands.reproduction.lock_entries import NOTE, keep_order, sort_names

PLAN = ["data/raw/a.dvc", "ingest@a", "ingest@b", "train@cnn", "report"]


@pytest.fixture(autouse=True)
def _in_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    @contextlib.contextmanager
    def unlocked(_print_line: object) -> Iterator[None]:
        yield

    monkeypatch.setattr(lock_entries, "open_locked_repository", unlocked)


def write_lock(*names: str) -> bytes:
    entries = {
        name: {"cmd": f"python {name}", "params": {"params.yaml": {"lr": 0.004, "x": ["a", 1]}}} for name in names
    }
    dump_yaml("dvc.lock", {"schema": "2.0", "stages": entries})
    return Path("dvc.lock").read_bytes()


@pytest.mark.parametrize(
    ("found", "before", "expected"),
    [
        (["train@cnn", "ingest@b", "ingest@a"], [], ["ingest@a", "ingest@b", "train@cnn"]),
        (["report", "train@cnn", "ingest@b"], ["report"], ["report", "ingest@b", "train@cnn"]),
        (["report", "ingest@a"], ["report", "ingest@a"], ["report", "ingest@a"]),
        (["unknown", "ingest@a"], [], ["ingest@a", "unknown"]),
    ],
)
def test_old_entries_stay_and_new_ones_follow_in_the_order_of_the_plan(
    found: list[str], before: list[str], expected: list[str]
) -> None:
    assert sort_names(found, before, PLAN) == expected


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_file_has_the_bytes_that_dvc_would_have_written_however_the_block_ends(
    error: type[BaseException] | None,
) -> None:
    expected = write_lock("report", "ingest@a", "ingest@b", "train@cnn")
    write_lock("report")
    with contextlib.suppress(KeyboardInterrupt), keep_order(PLAN, print):
        write_lock("report", "train@cnn", "ingest@b", "ingest@a")
        if error:
            raise error
    assert Path("dvc.lock").read_bytes() == expected
    assert not NOTE.exists()


def test_entries_of_a_run_that_was_killed_are_new_for_the_next() -> None:
    write(NOTE, "report")
    expected = write_lock("report", "ingest@a", "ingest@b", "train@cnn")
    write_lock("report", "train@cnn", "ingest@a")
    with keep_order(PLAN, print):
        write_lock("report", "train@cnn", "ingest@a", "ingest@b")
    assert Path("dvc.lock").read_bytes() == expected


def test_project_without_a_lock_file_starts_with_none() -> None:
    expected = write_lock("ingest@a", "report")
    Path("dvc.lock").unlink()
    with keep_order(PLAN, print):
        write_lock("report", "ingest@a")
    assert Path("dvc.lock").read_bytes() == expected


def test_file_that_a_kill_damaged_in_the_block_is_left_to_doctor() -> None:
    with keep_order(PLAN, print):
        Path("dvc.lock").write_text("stages: [")
    assert Path("dvc.lock").read_text() == "stages: ["
