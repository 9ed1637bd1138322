"""The plan is that of `dvc repro`: its stages, its order, its opinion on what has changed."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from dvc.lock import LockError
from dvc.repo import Repo, lock_repo
from support.settings import write

from shoepair.commands.reproduction import plan
from shoepair.commands.reproduction.plan import PlannedStage, read_plan
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.project_lock import ProjectInUseError

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # of pygtrie, which DVC uses

PIPELINE = """\
stages:
  report: {cmd: x, deps: [models, data/pairs], outs: [report]}
  train:
    foreach: [cnn, siamese]
    do: {cmd: "x ${item}", deps: [data/pairs], params: [lr, train], outs: ["models/${item}"]}
  pairs: {cmd: x, deps: [code], outs: [data/pairs]}
  audit: {cmd: x, deps: [data/pairs], params: [train.threads], outs: [audit]}
  other: {cmd: x, deps: [code], params: [lr], outs: [other]}
"""
ORDER = ["pairs", "train@cnn", "train@siamese", "report", "audit", "other"]


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project without git, whose stages have run."""
    monkeypatch.chdir(tmp_path)
    with Repo.init(no_scm=True):
        pass
    write(Path("dvc.yaml"), PIPELINE)
    write(Path("params.yaml"), "lr: 0.1\ntrain: {threads: 3}\n")
    for name in ("code", "report", "models/cnn", "models/siamese", "data/pairs", "audit", "other"):
        write(Path(name), name)
    with Repo() as repo:
        repo.commit(force=True)


def plan_of(*targets: str) -> list[PlannedStage]:
    return read_plan(targets, pytest.fail)


def affected(*targets: str) -> list[str]:
    return [stage.name for stage in plan_of(*targets) if stage.is_affected]


def test_plan_has_the_stages_of_dvc_with_what_they_need_and_take() -> None:
    stages = {stage.name: stage for stage in plan_of()}
    assert list(stages) == ORDER
    assert stages["report"].needs == {"train@cnn", "train@siamese", "pairs"}
    assert stages["train@cnn"].writes == (str(Path("models/cnn").absolute()),)
    assert str(Path("data/pairs").absolute()) in stages["train@cnn"].reads


def test_stage_takes_as_many_cores_as_the_parameter_that_it_reads_says() -> None:
    write(Path("code"), "new")
    threaded = dict.fromkeys(("train@cnn", "train@siamese", "audit"), 3)
    assert {stage.name: stage.cores for stage in plan_of()} == dict.fromkeys(ORDER, 1) | threaded


def test_unchanged_project_has_nothing_to_do() -> None:
    assert affected() == []


def test_changed_stages_and_all_that_need_them_are_affected() -> None:
    write(Path("params.yaml"), "lr: 0.2\ntrain: {threads: 3}\n")
    assert affected() == ["train@cnn", "train@siamese", "report", "other"]
    write(Path("code"), "new")
    assert affected() == ORDER


def test_targets_are_those_of_dvc() -> None:
    assert [stage.name for stage in plan_of("train")] == ORDER[:3]
    assert [stage.name for stage in plan_of("audit", "train@cnn")] == ["pairs", "train@cnn", "audit"]


def test_unknown_target_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ShoepairError, match=r"nope: no such stage .*\nexpected one of report, train@cnn"):
        plan_of("audit", "nope")


def test_pipeline_that_dvc_cannot_read_is_told_in_its_words() -> None:
    write(Path("dvc.yaml"), "stages: {a: {cmd: x, outs: [y]}, b: {cmd: x, outs: [y]}}\n")
    with pytest.raises(ShoepairError, match=r"DVC: .*output 'y' is"):
        plan_of()


def test_stage_that_another_dvc_runs_is_told_at_once() -> None:
    locks = {"write": {str(Path("audit").absolute()): {"pid": os.getppid(), "cmd": "dvc repro audit"}}}
    write(Path(".dvc/tmp/rwlock"), json.dumps(locks))
    with pytest.raises(ProjectInUseError, match=r"in use by a `dvc` command\n  \(PID \d+\): dvc repro audit"):
        plan_of()


def test_lock_of_dvc_is_waited_for_with_one_line_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    busy = [True, True, False]

    @contextlib.contextmanager
    def lock(repo: Repo) -> Iterator[None]:
        if busy.pop(0):
            msg = "Unable to acquire lock"
            raise LockError(msg)
        with lock_repo(repo):
            yield

    monkeypatch.setattr(plan, "lock_repo", lock)
    write(Path(".dvc/tmp/lock"), " 4711\n")
    assert [stage.name for stage in read_plan([], lines.append)] == ORDER
    assert lines == ["waiting for a `dvc` command that holds DVC's lock (process 4711)"]
    busy[:] = [True]
    monkeypatch.setattr(plan, "LOCK_SECONDS", -1.0)
    with pytest.raises(ProjectInUseError, match=r"in use by a `dvc` command\n  process \d+"):
        read_plan([], lines.append)
    assert len(lines) == 1
