"""What a stage reads is noted at its start; every change of it ends the stage, and nothing else does."""

from __future__ import annotations

import os
import pickle
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.settings import write

from shoepair.runtime import file_digests, parameter_files, paths, stage_inputs, stage_notes
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.stage_inputs import InputsChangedError

PHOTO, TABLE, CODE, OUTPUT = Path("data/raw/a/train/x.jpg"), Path("data/a.parquet"), Path("stages/t.py"), Path("out/a")
VERSION = Path("shoepair/runtime/__init__.py")
PIPELINE = """\
stages:
  t:
    foreach: [a]
    do:
      cmd: python -m stages.t ${item}
      deps:
        - stages/t.py
        - data/raw/${item}
        - data/${item}.parquet
        - data/large
      params:
        - lr
        - train
        - data/batches.yaml: [batches]
        - shoepair/runtime/__init__.py: [OUTPUT_VERSION]
        - pyproject.toml: [tool.shoepair.results.arrays]
      outs:
        - out/${item}
        - folder
      metrics:
        - metrics.json:
            cache: false
"""
FILES = {
    "dvc.yaml": PIPELINE,
    "params.yaml": "lr: 0.001  # of Adam\ntrain:\n  tta: true\n  edge: 16\nother: 1\n",
    "data/batches.yaml": "batches:\n  - a\n",
    "pyproject.toml": '[tool.shoepair.results.arrays]\nnumpy = "2.4"\n[tool.shoepair.results.images]\npillow = "1"\n',
    ".dvcignore": "*~\n__pycache__\n",
    ".dvc/config": "",
}
LARGE = Path("data/large/x.h5")


def save(path: str | Path, content: str | bytes) -> None:
    """Write a file as editors do: a new file takes the place of the old one."""
    write(Path("new"), content).replace(write(Path(path), b"") if not Path(path).exists() else path)


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stage_inputs, "SAVING_SECONDS", 0)
    monkeypatch.setattr(file_digests, "read_dvc_digests", lambda _signatures: {})
    monkeypatch.setenv("DVC_STAGE", "t@a")
    for name, content in FILES.items():
        write(Path(name), content)
    for path in (PHOTO, TABLE, CODE, LARGE):
        write(path, str(path))
    write(VERSION, "OUTPUT_VERSION = 1\n")


def run(change: Callable[[], object] = lambda: None) -> None:
    """Run a stage that writes its outputs and during which something happens."""
    with stage_inputs.watch("t", ["a"]):
        change()
        for path in (OUTPUT, Path("folder/x"), Path("metrics.json")):
            write(path, b"made")


# What happens -> what the one line says.
CHANGES: dict[str, tuple[Callable[[], object], str]] = {
    "parameter": (
        lambda: save("params.yaml", "lr: 0.7\ntrain: {tta: true, edge: 16}\n"),
        "lr in params.yaml changed from 0.001 to 0.7",
    ),
    "parameter of a section": (
        lambda: save("params.yaml", FILES["params.yaml"].replace("16", "32")),
        "train.edge in params.yaml changed from 16 to 32",
    ),
    "parameter that is gone": (
        lambda: save("params.yaml", "train: {tta: true, edge: 16}\n"),
        "lr in params.yaml changed from 0.001 to None",
    ),
    "new parameter of a section": (
        lambda: save("params.yaml", FILES["params.yaml"].replace("  edge", "  new: 1\n  edge")),
        "train.new in params.yaml changed from None to 1",
    ),
    "parameters that cannot be read": (lambda: save("params.yaml", "a: ["), "params.yaml changed and cannot be read"),
    "parameters that are gone": (Path("params.yaml").unlink, "params.yaml changed and cannot be read"),
    "batches": (
        lambda: save("data/batches.yaml", "batches: [a, b]\n"),
        "batches in data/batches.yaml changed from ['a'] to ['a', 'b']",
    ),
    "library": (
        lambda: save("pyproject.toml", FILES["pyproject.toml"].replace("2.4", "2.5")),
        "tool.shoepair.results.arrays.numpy in pyproject.toml changed from '2.4' to '2.5'",
    ),
    "version of outputs": (
        lambda: save(VERSION, "OUTPUT_VERSION = 2\n"),
        f"OUTPUT_VERSION in {VERSION} changed from 1 to 2",
    ),
    "code": (lambda: save(CODE, "# comment\n"), "stages/t.py changed"),
    "photo": (lambda: save(PHOTO, b"other"), f"{PHOTO} changed"),
    "photo in place": (lambda: PHOTO.write_bytes(b"other"), f"{PHOTO} changed"),
    "photo of the same length and time": (lambda: replace_quietly(PHOTO), f"{PHOTO} changed"),
    "photo that is gone": (PHOTO.unlink, f"{PHOTO} was deleted"),
    "new photo": (lambda: write(PHOTO.with_name("y\n.jpg"), b""), "data/raw/a/train/y\\n.jpg is new"),
    "table": (lambda: save(TABLE, b"other"), f"{TABLE} changed"),
    "table that is gone": (TABLE.unlink, f"{TABLE} was deleted"),
}
# What is no change.
NO_CHANGES: dict[str, Callable[[], object]] = {
    "nothing": lambda: None,
    "same parameters": lambda: save("params.yaml", FILES["params.yaml"]),
    "comment": lambda: save("params.yaml", FILES["params.yaml"].replace("of Adam", "of another")),
    "other parameter": lambda: save("params.yaml", FILES["params.yaml"].replace("other: 1", "other: 2")),
    "other library": lambda: save("pyproject.toml", FILES["pyproject.toml"].replace('"1"', '"2"')),
    "same photo": lambda: save(PHOTO, str(PHOTO)),
    "same photo in place": lambda: PHOTO.write_text(str(PHOTO)),
    "touched table": lambda: os.utime(TABLE),
    "same code": lambda: save(CODE, str(CODE)),
    "file of an editor": lambda: write(CODE.with_name("t.py~"), b""),
    "compiled code": lambda: write(Path("data/raw/a/__pycache__/t.pyc"), b""),
    "pipeline": lambda: save("dvc.yaml", PIPELINE.replace("lr", "other")),
    "other code": lambda: save("stages/other.py", ""),
}


def replace_quietly(path: Path) -> None:
    """Replace a file by one of the same length and time, as `cp --preserve` does."""
    times = path.stat()
    save(path, str(path).swapcase())
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize("name", CHANGES)
def test_change_ends_the_stage_and_leaves_no_output(name: str) -> None:
    change, text = CHANGES[name]
    with pytest.raises(InputsChangedError) as caught:
        run(change)
    assert caught.value.message == f"t@a: {text} while it ran; its outputs were not kept"
    assert not [path for path in (OUTPUT, Path("folder"), Path("metrics.json")) if path.exists()]
    assert stage_notes.read_notes() == {}


@pytest.mark.parametrize("name", NO_CHANGES)
def test_what_is_no_change_does_not_end_it(name: str) -> None:
    run(NO_CHANGES[name])
    assert OUTPUT.read_bytes() == b"made"
    note = stage_notes.read_notes()["t@a"]
    assert note.params["params.yaml"] == {"lr": 0.001, "train": {"tta": True, "edge": 16}}
    assert note.deps["stages/t.py"] == file_digests.compute_md5(CODE)
    assert note.deps["data/raw/a"] == file_digests.hash_listing({"train/x.jpg": file_digests.compute_md5(PHOTO)})
    assert note.outs.keys() == {"out/a", "folder", "metrics.json"}
    assert note.cmd == "python -m stages.t a"


def test_change_between_pieces_is_found_there_and_what_was_there_before_stays() -> None:
    for path in (OUTPUT, Path("folder/x")):
        write(path, b"of an earlier run")
    with pytest.raises(InputsChangedError), stage_inputs.watch("t", ["a"]):  # noqa: PT012  # the block is tested
        stage_inputs.current().check_between_pieces()
        save(TABLE, b"other")
        stage_inputs.current().check_between_pieces()  # too soon
        stage_inputs.current()._next_check = 0.0
        stage_inputs.current().check_between_pieces()
        pytest.fail("it goes on")
    assert OUTPUT.read_bytes() == Path("folder/x").read_bytes() == b"of an earlier run"


def test_change_explains_an_error_of_the_stage() -> None:
    def fail() -> None:
        save(TABLE, b"other")
        message = "data/a.parquet: not a table"
        raise ShoepairError(message)

    with pytest.raises(InputsChangedError, match=r"data/a\.parquet changed"):
        run(fail)
    with pytest.raises(ShoepairError, match="not a table") as caught:
        run(fail)  # not changed this time: it is `other` already
    assert not isinstance(caught.value, InputsChangedError)


def test_many_changes_are_counted() -> None:
    def change() -> None:
        for number in range(5):
            write(PHOTO.with_name(f"{number}.jpg"), b"")

    with pytest.raises(InputsChangedError, match=r"0\.jpg is new; .*2\.jpg is new; and 2 more while it ran"):
        run(change)


def test_file_that_is_half_saved_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: save("params.yaml", FILES["params.yaml"]))
    run(lambda: save("params.yaml", ""))
    assert OUTPUT.exists()


def test_stage_works_with_the_parameters_that_were_noted() -> None:
    def change() -> None:
        save("params.yaml", "lr: 0.7\n")
        assert parameter_files.read_yaml(paths.PARAMS)["lr"] == 0.001
        save("params.yaml", FILES["params.yaml"])

    run(change)
    save("params.yaml", "lr: 0.7\n")
    assert parameter_files.read_yaml(paths.PARAMS)["lr"] == 0.7


def test_code_that_changed_since_it_was_imported_is_a_change() -> None:
    stage_inputs.note_code()
    save(CODE, "# edited while torch was loaded\n")
    with pytest.raises(InputsChangedError, match=r"stages/t\.py changed"):
        run()
    run()  # noted once for each process
    stage_inputs.note_code()
    run(lambda: save(CODE, "# edited while torch was loaded\n"))


def test_large_files_are_not_read_and_dvc_knows_their_digests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_inputs, "HASHED_AT_START", 20)
    assert len(str(LARGE)) <= 20 < len(str(PHOTO))
    read, compute = list[str](), file_digests.compute_md5

    def compute_noisily(path: Path) -> str:
        read.append(str(path))
        return compute(path)

    monkeypatch.setattr(file_digests, "compute_md5", compute_noisily)
    asked, digest = list[list[str]](), compute(PHOTO)

    def answer(signatures: dict[str, Any]) -> dict[str, str]:
        asked.append(list(signatures))
        return dict.fromkeys(signatures, digest)

    with pytest.raises(InputsChangedError, match=r"x\.jpg changed"):
        run(lambda: save(PHOTO, str(PHOTO)))  # nobody knows what it was
    monkeypatch.setattr(file_digests, "read_dvc_digests", answer)
    read.clear()
    run()
    assert asked == [[str(PHOTO)]], "for the note"
    assert str(PHOTO) not in read
    run(lambda: save(PHOTO, str(PHOTO)))
    assert read.count(str(PHOTO)) == 1
    with pytest.raises(InputsChangedError, match=r"x\.jpg changed"):
        run(lambda: save(PHOTO, b"other"))


def test_copy_in_another_process_compares_too_and_another_machine_only_reports_what_it_knows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stage_inputs, "HASHED_AT_START", 20)
    with stage_inputs.watch("t", ["a"]):
        noted = stage_inputs.current()
        here, there = pickle.loads(pickle.dumps(noted)), pickle.loads(pickle.dumps(noted))
    save(PHOTO, str(PHOTO))
    with pytest.raises(InputsChangedError, match=r"x\.jpg changed"):
        here.check_files()
    monkeypatch.setattr(platform, "node", lambda: "another")
    there.check_files()
    LARGE.unlink()
    save("params.yaml", "lr: 0.7\n")
    there.check()
    save(CODE, b"other")
    with pytest.raises(InputsChangedError, match=r"^t@a: stages/t\.py changed while"):
        there.check_files()


def test_other_ranks_do_not_compare_but_work_with_one_set_of_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(stage_inputs.RANK_VARIABLE, "1")
    with stage_inputs.watch("t", ["a"]):
        save("params.yaml", "lr: 0.7\n")
        assert parameter_files.read_yaml(paths.PARAMS)["lr"] == 0.001
        stage_inputs.current().check()
    assert stage_notes.read_notes() == {}


def test_stage_that_dvc_does_not_record_leaves_no_note(monkeypatch: pytest.MonkeyPatch) -> None:
    run()
    assert stage_notes.read_notes()
    monkeypatch.delenv("DVC_STAGE")
    run()
    assert stage_notes.read_notes() == {}


def test_without_a_stage_nothing_changes() -> None:
    stage_inputs.current().check()
    stage_inputs.current().check_files()
    stage_inputs.current().check_between_pieces()
