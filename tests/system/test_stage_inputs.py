"""What changes while DVC runs a stage is not recorded; what changes just before it records is found by `verify`."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from pathlib import Path

from support.commands import Run, commit
from support.field import edit, wait_for

from shoepair.commands import dvc_records
from shoepair.commands.history import verify
from shoepair.runtime import paths, stage_notes

CODE = Path("stages/ingest.py")


def recorded_inputs() -> dict[str, object]:
    """Return command, parameters, digests of inputs and of outputs by stage, as in dvc.lock."""
    return {
        name: (
            entry["cmd"],
            entry["params"],
            {item["path"]: item["md5"] for item in entry["deps"]},
            {item["path"]: item["md5"] for item in entry["outs"]},
        )
        for name, entry in dvc_records.read_lock_entries().items()
    }


def test_notes_are_what_dvc_records_and_verify_says_nothing(trained: Path) -> None:
    noted = {name: (note.cmd, note.params, note.deps, note.outs) for name, note in stage_notes.read_notes().items()}
    assert noted == recorded_inputs()
    assert not [path for path in (trained / stage_notes.NOTE_FOLDER).iterdir() if b"u001" in path.read_bytes()]
    assert verify.verify_file_digests().problems == []


def test_parameter_edited_during_a_training_is_not_recorded_and_put_back_the_training_goes_on(
    trained: Path, run: Run
) -> None:
    edit(paths.PARAMS, "epochs: 2 ", "epochs: 70 ")
    checkpoint = paths.checkpoint_path("cnn")
    lock = Path("dvc.lock").read_bytes()
    words = ["dvc", "repro", "--single-item", "train@cnn"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as training:
        wait_for(lambda: checkpoint.is_file() or training.poll() is not None)
        edit(paths.PARAMS, "lr: 1.0e-3 ", "lr: 0.7 ")
        output, _ = training.communicate()
    assert training.returncode != 0
    assert "error: train@cnn: lr in params.yaml changed from 0.001 to 0.7 while it ran" in output
    assert "Traceback" not in output
    assert Path("dvc.lock").read_bytes() == lock
    assert not paths.weights_path("cnn").exists()
    assert "train@cnn" in json.loads(run("dvc", "status", "--json").stdout)
    edit(paths.PARAMS, "lr: 0.7 ", "lr: 1.0e-3 ")
    output = run(*words).stdout
    assert "resumes after epoch" in output
    assert "weights of epoch 70 of 70" in output
    assert json.loads(paths.model_card_path("cnn").read_bytes())["config"]["lr"] == 0.001
    assert not checkpoint.exists()
    assert [line for line in verify.verify_file_digests().problems if "but the stage ran" in line] == []
    del trained


def test_change_between_the_end_of_a_stage_and_its_record_is_found_by_verify(repository: Path, run: Run) -> None:
    pipeline = (repository / "dvc.yaml").read_text()
    edit(repository / "dvc.yaml", "cmd: python -m stages.ingest ${item}", f"cmd: {late('ingest')}")
    run("dvc", "repro", "-q", "ingest")
    wanted = "ingest@tiny: dvc.lock has another stages/ingest.py than the stage read; `dvc repro --force "
    problems = verify.verify_file_digests().problems
    assert [problem[: len(wanted)] for problem in problems] == [wanted]
    commit("Record what is wrong")
    assert len(verify.verify_file_digests().problems) == 1
    (repository / "dvc.yaml").write_text(pipeline)
    run("dvc", "repro", "-q", "--force", "--single-item", "ingest@tiny")
    assert verify.verify_file_digests().problems == []


def late(stage: str) -> str:
    """Return a command that runs a stage and then edits its code, before DVC records it."""
    return f"python -m stages.{stage} ${{item}} && printf 'late = 1\\n' >> stages/{stage}.py"


def test_run_cache_commits_clones_and_experiments_raise_no_alarm(repository: Path, run: Run) -> None:
    first, second = CODE.read_bytes(), CODE.read_bytes() + b"# a comment changes the code, not its output\n"

    def check() -> None:
        assert verify.verify_file_digests().problems == []

    def repro() -> str:
        return run("dvc", "repro", "ingest").stdout

    assert "Running stage" in repro()
    commit("Run")
    CODE.write_bytes(second)
    assert "Running stage" in repro()
    check()
    CODE.write_bytes(first)
    assert "is cached" in repro(), "restored: the note is of the other code"
    check()
    CODE.write_bytes(second)
    assert "is cached" in repro()
    check()
    commit("Run with a comment")
    run("git", "checkout", "-q", "HEAD~1")
    run("dvc", "checkout", "-q", "ingest", "data/raw/tiny.dvc")
    check()
    run("git", "checkout", "-q", "main")
    run("dvc", "checkout", "-q", "ingest", "data/raw/tiny.dvc")
    check()
    clone = repository / "clone"
    run("git", "clone", "-q", str(repository), str(clone))
    shutil.copytree(".dvc/cache", clone / ".dvc/cache")
    CODE.write_bytes(first)
    run("dvc", "exp", "run", "-q", "--name", "tried", "ingest")
    check()
    run("git", "checkout", "-q", "--", ".")
    run("dvc", "checkout", "-q", "ingest", "data/raw/tiny.dvc")
    check()
    # Not `dvc exp apply`: it fails where stages have never run.
    names = run("git", "for-each-ref", "--format=%(refname)", "refs/exps").stdout.split()
    (tried,) = [name for name in names if name.endswith("/tried")]
    run("git", "checkout", "-q", tried, "--", "dvc.lock", "stages")
    check()
    with contextlib.chdir(clone):  # where no stage has run
        run("dvc", "checkout", "-q", "ingest", "data/raw/tiny.dvc")
        assert stage_notes.read_notes() == {}
        check()
