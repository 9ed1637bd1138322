"""Stage train on a real Ray cluster of several nodes: one is killed in the middle, others have no room."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.field import edit
from support.nodes import Nodes, cluster, skip_without_nodes
from support.ranked import written

TRAIN = (sys.executable, "-m", "stages.train", "cnn_channel")
SECONDS = 240  # for what takes twenty on an idle machine
# In the second epoch a rank writes its process id, then waits for the file `go`.
WAITING = """
import os, pathlib, time
_iter_training_steps = iter_training_steps

def iter_training_steps(*arguments):
    for iteration, loss in enumerate(_iter_training_steps(*arguments)):
        if arguments[-1] == 2 and iteration == 0:
            pathlib.Path("at-work", str(os.getpid())).touch()
            while not pathlib.Path("go").exists():
                time.sleep(0.05)
        yield loss
"""


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    """A cluster whose head does no work."""
    skip_without_nodes()
    with cluster() as made:
        made.start("--num-cpus=0")
        yield made


def trained(nodes: Nodes, ranks: int) -> subprocess.CompletedProcess[str]:
    """What the stage says on a cluster."""
    environment = nodes.environment() | {"SHOEPAIR_RANKS": str(ranks)}
    words = nodes.command(*TRAIN)
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=SECONDS)


def test_node_killed_in_the_middle_of_training_changes_no_byte(
    stage: Path, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(stage)
    with Path("shoepair/training/loop.py").open("a") as file:
        file.write(WAITING)
    Path("at-work").mkdir()
    Path("go").touch()
    subprocess.run(TRAIN, env=os.environ | {"SHOEPAIR_RANKS": "2"}, check=True, capture_output=True)
    undisturbed = written(stage)
    assert len(undisturbed) == 4
    for name in ("models", "plots"):
        Path(name).rename(f"undisturbed-{name}")
    for path in (*Path("at-work").iterdir(), Path("go")):
        path.unlink()
    joined = [nodes.start("--num-cpus=1") for _ in range(3)]  # one more than is needed at a time

    def at_work() -> list[int]:
        pids = {int(path.name) for path in Path("at-work").iterdir()}
        return [node for node in joined if nodes.processes(node) & pids]

    environment = nodes.environment() | {"SHOEPAIR_RANKS": "2"}
    with subprocess.Popen(nodes.command(*TRAIN), env=environment, stdout=-1, stderr=-1, text=True) as process:
        try:
            end = time.monotonic() + SECONDS
            while process.poll() is None and len(at_work()) < 2:
                assert time.monotonic() < end, "the ranks did not start"
                time.sleep(0.1)
            if found := at_work():
                nodes.kill(found[-1])
            Path("go").touch()
            said, complained = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
    assert process.returncode == 0, complained
    assert complained == ""
    assert said.splitlines()[-1] == "train cnn_channel: weights of epoch 3 of 3", "Ray itself may tell of the node"
    assert written(stage) == undisturbed
    assert not list(Path("checkpoints").iterdir())


def test_ranks_that_have_no_room_or_too_small_batches_are_told(
    stage: Path, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(stage)
    nodes.start("--num-cpus=2")
    done = trained(nodes, 3)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: SHOEPAIR_RANKS=3: the cluster has room for 2 ranks of 1 CPU each\n"
        "set SHOEPAIR_RANKS to fewer, or start more nodes: `ray start --address=HOST:PORT`\n"
    )
    edit(Path("params.yaml"), "device: auto ", "device: cuda ")
    message = trained(nodes, 2).stderr
    assert message.startswith("error: SHOEPAIR_RANKS=2: the cluster has room for 0 ranks of 1 CPU and 1 GPU each\n")
    edit(Path("params.yaml"), "device: cuda ", "device: auto ")
    edit(Path("params.yaml"), "batch_size: 32 ", "batch_size: 2 ")
    done = trained(nodes, 2)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: training: 2 ranks, expected at most 1, the rows of each label in a mini-batch\n"
        "start fewer ranks, or set a larger `batch_size`\n"
    )
    assert not Path("models").exists()
    assert not list(Path("checkpoints").glob("*"))
