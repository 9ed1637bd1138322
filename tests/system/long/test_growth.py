"""A class that grows and shrinks, by the real commands: which stages work, which photos are read, what stays."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from ruamel.yaml import YAML
from support.commands import Run, ran
from support.field import CLASS, copy_project, outputs, write_class, write_photo

from shoepair.commands.collection import add, remove
from shoepair.data import parquet_files
from shoepair.data.schemas import StudentSplits
from shoepair.runtime import paths
from shoepair.runtime.batches import load_batch_lists
from stages import ingest, normalize, pairs, split, validate

LATE = ("u200", "u201")
# Every process of the project runs this at its start; it notes every photo that a stage opens.
SPY = """
import os, sys
def note(event, arguments):
    name = os.fsdecode(arguments[0]) if event == "open" and isinstance(arguments[0], str | os.PathLike) else ""
    if name.startswith("data/raw/") and name.endswith(".jpg"):
        with open(os.environ["OPENED"], "a") as file:
            file.write(f"{name}\\n")
sys.addaudithook(note)
"""


@pytest.fixture
def opened(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which every photo that a stage opens is noted."""
    with (trained / "shoepair/__init__.py").open("a") as file:
        file.write(SPY)
    monkeypatch.setenv("OPENED", str(tmp_path / "opened"))
    return tmp_path / "opened"


def students() -> dict[str, str]:
    """Who is in which split."""
    rows = parquet_files.read_table(paths.SPLIT, StudentSplits)
    return dict(zip(rows["student"], rows["split"], strict=True))


def built_clean(place: Path) -> dict[str, bytes]:
    """The outputs up to the pairs, made from the same inputs in an empty folder, without DVC."""
    shutil.rmtree(place, ignore_errors=True)
    for path in (paths.PARAMS, paths.BATCH_LIST):
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place / path)
    batches = load_batch_lists().batches
    for batch in batches:
        shutil.copytree(paths.raw_path(batch), place / paths.raw_path(batch))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        for stage, batch in itertools.product((ingest, validate, normalize), batches):
            stage.main(batch)
        split.main()
        pairs.main()
    return {name: data for name, data in outputs(place).items() if not name.startswith("data/raw")}


def same_files(got: dict[str, bytes], wanted: dict[str, bytes]) -> None:
    """Every file of the clean build is here with the same bytes, and no other of these folders."""
    roots = ("data/", "reports/validation/")
    elsewhere = (paths.SCORES, paths.THRESHOLDS, paths.LABEL_ISSUES, paths.store_path(paths.SYNTHETIC_BATCH))
    later = {str(path) for path in elsewhere}  # of stages not built here
    mine = {name: data for name, data in got.items() if name.startswith(roots) and name not in later}
    assert sorted(mine) == sorted(name for name in wanted if name.startswith(roots))
    assert [name for name, data in wanted.items() if got[name] != data] == []


def test_only_what_changed_is_worked(trained: Path, run: Run, opened: Path, tmp_path: Path) -> None:
    everyone = {"split", "audit", "suspects", "train@cnn", "train@cnn_channel", "evaluate", "report"}
    first, lock, dealt = outputs(trained), YAML(typ="safe").load(Path("dvc.lock").read_text()), students()
    old = {path: path.stat().st_mtime_ns for path in Path("data").rglob("tiny.*") if path.is_file()}
    assert len(old) == 6

    handed_in = tmp_path / "handed-in"
    write_class(handed_in, {"train": LATE})
    run("python", "-m", "shoepair", "add", str(handed_in), "--name", "late")
    opened.write_text("")
    late = {f"{stage}@late" for stage in ("ingest", "validate", "normalize", "features", "sheets")}
    assert ran(run("dvc", "repro").stdout) == {*late, *everyone, "pairs"}
    photos = {str(path.relative_to(trained)) for path in (trained / "data/raw/late/train").iterdir()}
    noted = opened.read_text().splitlines()
    assert set(noted) == photos, "other photos than the new ones were opened"
    assert len(noted) == 6 * len(photos), "ingest, validate, normalize: each once for its work, once for its note"
    assert {student: students()[student] for student in dealt} == dealt, "somebody moved"
    same_files(outputs(trained), built_clean(tmp_path / "clean"))

    write_photo(trained / "data/raw/late/train/u200_1_left_m.jpg", [77])
    assert ran(run("dvc", "repro").stdout) == {*late, *everyone}  # the pairs, as row numbers, are the same
    same_files(outputs(trained), built_clean(tmp_path / "clean"))

    run("git", "add", "--all")
    run("git", "commit", "-q", "-m", "Add the late class")
    run("python", "-m", "shoepair", "forget", "u200", "--batch", "late")
    assert ran(run("dvc", "repro").stdout) == {*late, *everyone, "pairs"}
    assert "u200" not in students()
    same_files(outputs(trained), built_clean(tmp_path / "clean"))

    run("git", "add", "--all")
    run("git", "commit", "-q", "-m", "Withdraw u200")
    run("python", "-m", "shoepair", "remove", "late")
    run("dvc", "repro")
    assert {path: path.stat().st_mtime_ns for path in old} == old, "a file of the other batch was touched"
    last = outputs(trained)
    assert YAML(typ="safe").load(last.pop("dvc.lock")) == lock
    first.pop("dvc.lock")
    assert last == first, "what is left of a class that came and went"


class Growth(RuleBasedStateMachine):
    """Batches come, change, lose students and go; after each step the outputs are those of a clean build."""

    folder: Path
    run: Run
    number: Iterator[int]

    @initialize()
    def begin(self) -> None:
        place = self.folder / str(next(self.number))
        place.mkdir()
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(place.parent)
            copy_project(place)
        self.place = place
        self.command("git", "init", "-q")
        self.command("dvc", "init", "-q")
        self.command("dvc", "add", "-q", "data/raw/tiny")
        self.students = {"tiny": list(CLASS["train"])}
        self.names = itertools.count(1)
        self.stale = True

    def command(self, *words: str) -> None:
        self.run("sh", "-c", 'cd "$0" && exec "$@"', str(self.place), *words)

    def here(self) -> pytest.MonkeyPatch:
        patch = pytest.MonkeyPatch()
        patch.chdir(self.place)
        return patch

    def work(self, change: str, batch: str, student: str = "") -> None:
        patch = self.here()
        try:
            if change == "add":
                source = self.place.with_name(f"{self.place.name}-{batch}")
                write_class(source, {"train": tuple(self.students[batch])})
                add.add_batch(source, batch)
            elif change == "forget":
                remove.withdraw_student(student, batch)
            else:
                remove.remove_batch(batch)
        finally:
            patch.undo()
        self.stale = True

    @precondition(lambda self: len(self.students) < 4)
    @rule(size=st.integers(1, 2))
    def arrives(self, size: int) -> None:
        number = next(self.names)
        self.students[f"batch{number}"] = [f"u{100 * number + place}" for place in range(size)]
        self.work("add", f"batch{number}")

    @rule(data=st.data(), content=st.integers(0, 10**6))
    def a_photo_changes(self, data: st.DataObject, content: int) -> None:
        batch = data.draw(st.sampled_from(sorted(self.students)))
        student = data.draw(st.sampled_from(self.students[batch]))
        write_photo(self.place / f"data/raw/{batch}/train/{student}_2_right_m.jpg", [content, 9])
        self.command("dvc", "add", "-q", f"data/raw/{batch}")
        self.stale = True

    @rule(data=st.data())
    def a_student_withdraws(self, data: st.DataObject) -> None:
        batch = data.draw(st.sampled_from(sorted(self.students)))
        if len(self.students[batch]) > (3 if batch == "tiny" else 1):
            student = data.draw(st.sampled_from(self.students[batch]))
            self.students[batch].remove(student)
            self.work("forget", batch, student)

    @precondition(lambda self: len(self.students) > 1)
    @rule(data=st.data())
    def a_batch_goes(self, data: st.DataObject) -> None:
        batch = data.draw(st.sampled_from(sorted(set(self.students) - {"tiny"})))
        del self.students[batch]
        self.command("git", "add", "--all")
        self.command("git", "commit", "-q", "--allow-empty", "-m", "Before a removal")
        self.work("remove", batch)

    @invariant()
    def outputs_are_those_of_a_clean_build(self) -> None:
        if getattr(self, "stale", False):
            self.command("dvc", "repro", "-q", "normalize", "pairs")
            self.stale = False
            patch = self.here()
            try:
                same_files(outputs(self.place), built_clean(self.place.with_name("clean")))
            finally:
                patch.undo()


def test_any_course_of_events_gives_what_a_clean_build_gives(tmp_path: Path, run: Run) -> None:
    Growth.folder, Growth.run, Growth.number = tmp_path, staticmethod(run), itertools.count()
    course = settings(
        max_examples=3, stateful_step_count=6, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    run_state_machine_as_test(Growth, settings=course)
