"""Students and batches that leave, and what the cache and the workspace still hold of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.commands import CLI, Run
from support.field import write_class

from shoepair.commands.collection import add, batch_list, overview, remove, withdrawn
from shoepair.reports import terminal_tables
from shoepair.runtime import paths
from shoepair.runtime.errors import ShoepairError

GONE = "u005"


def test_forgetting_takes_up_after_a_kill(repository: Path) -> None:
    theirs = remove.find_files_naming_student(GONE, "tiny")
    withdrawn.record_withdrawal("tiny", GONE)
    theirs[0].unlink()
    assert len(remove.withdraw_student(GONE, "tiny")) == 5
    assert remove.find_files_naming_student(GONE, "tiny") == []
    assert remove.withdraw_student(GONE, "tiny") == []
    assert paths.WITHDRAWN_LIST.read_text().endswith("tiny:\n  - u005\n")
    assert (repository / "data/raw/tiny/train/u001_1_left_m.jpg").is_file()


@pytest.mark.usefixtures("repository")
def test_forgetting_nobody_changes_nothing() -> None:
    for student, batch, match in (
        ("u999", "tiny", "batch 'tiny': no photo of student 'u999'"),
        ("u005", "none", r"batch 'none': not in data/batches\.yaml, which lists tiny"),
    ):
        with pytest.raises(ShoepairError, match=match):
            remove.withdraw_student(student, batch)
    (paths.raw_path("tiny") / "train/u001_1_left_m.jpg").write_bytes(b"changed")
    with pytest.raises(ShoepairError, match="changed since DVC recorded it"):
        remove.withdraw_student("u005", "tiny")
    with pytest.raises(ShoepairError, match="changed since DVC recorded it"):
        remove.remove_batch("tiny")
    assert len(remove.find_files_naming_student("u005", "tiny")) == 6
    assert not paths.WITHDRAWN_LIST.exists()


@pytest.mark.usefixtures("repository")
def test_last_student_is_not_forgotten_but_the_batch_removed(tmp_path: Path) -> None:
    write_class(tmp_path / "one", {"train": ("u300",)})
    add.add_batch(tmp_path / "one", "one")
    with pytest.raises(ShoepairError, match="u300 is its only student\nrun `shoepair remove one`"):
        remove.withdraw_student("u300", "one")
    assert remove.remove_batch("one") == 6
    assert not paths.raw_path("one").exists()
    assert paths.BATCH_LIST.read_text() == "# the order of arrival\nbatches:\n  - tiny\nsynthetic_classes: {}\n"


@pytest.mark.usefixtures("project")
def test_overview_counts_by_name_and_marks_what_is_not_known(run: Run) -> None:
    batch_list.append_list_entry("far")
    rows = {row["batch"]: row for row in overview.batch_overview_rows().to_dict("records")}
    length = sum(path.stat().st_size for path in paths.raw_path("tiny").rglob("*.jpg"))
    wanted = {"students": 8, "photos": 48, "men": 7, "women": 1, "bytes": length, "source": "added"}
    assert {name: rows["tiny"][name] for name in wanted} == wanted
    lines = terminal_tables.batch_text(overview.batch_overview_rows()).splitlines()
    assert lines[2].split() == ["far", "added", *"------"]
    assert "quarantined" in run(*CLI, "batches").stdout
