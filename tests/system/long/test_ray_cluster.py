"""Stages on a real Ray cluster of several nodes: one is killed in the middle, others cannot do the work."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import Run, ran
from support.field import ROOT, edit, wait_for
from support.nodes import Nodes, cluster, skip_without_nodes

from shoepair.runtime import paths

pytestmark = pytest.mark.usefixtures("project")

NORMALIZE = (sys.executable, "-m", "stages.normalize", "tiny")
STORE = paths.store_path("tiny")
SECONDS = 240  # for what takes ten on an idle machine
# Small tasks; each leaves the number of its process, then waits for a file.
WAITING = """
import os, pathlib, time
PHOTOS_PER_TASK = 6
_decode = decode_photo

def decode_photo(source, edge):
    pathlib.Path("at-work", str(os.getpid())).touch()
    while not pathlib.Path("go").exists():
        time.sleep(0.05)
    return _decode(source, edge)
"""


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    """An empty cluster."""
    skip_without_nodes()
    with cluster() as made:
        yield made


def here(*stages: str) -> None:
    """Run stages on this machine."""
    for stage in stages:
        subprocess.run([sys.executable, "-m", f"stages.{stage}", "tiny"], check=True, capture_output=True)


def refused(nodes: Nodes) -> str:
    """What normalize says on a cluster that cannot do it."""
    done = subprocess.run(
        nodes.command(*NORMALIZE),
        env=nodes.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert not [path for path in STORE.parent.glob("*") if path != STORE], "something half-written"
    return done.stderr


def make_pieces_wait() -> None:
    """Small pieces, each of which waits for a sign while the class is normalized; the sign is there."""
    with Path("shoepair/ingestion/parallel_decoding.py").open("a") as file:
        file.write(WAITING)
    Path("at-work").mkdir()
    Path("go").touch()


def normalized_while_killed(nodes: Nodes, killed: int, *, other: int | None = None) -> tuple[int, str, str]:
    """Normalize on a cluster of which one node is killed while it works, and one worker of another; what was said."""
    for path in (*Path("at-work").iterdir(), Path("go")):
        path.unlink()

    def at_work() -> set[int]:
        return {int(path.name) for path in Path("at-work").iterdir()}

    words = nodes.command(*NORMALIZE)
    with subprocess.Popen(words, env=nodes.environment(), stdout=-1, stderr=-1, text=True) as process:
        try:
            wait_for(lambda: process.poll() is not None or bool(at_work() & nodes.processes(killed)))
            if other is not None:
                wait_for(lambda: process.poll() is not None or bool(at_work() & nodes.processes(other)))
                os.kill(min(at_work() & nodes.processes(other)), signal.SIGKILL)
            nodes.kill(killed)
            Path("go").touch()
            said, complained = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
    return process.returncode, said, complained


def test_node_and_worker_killed_in_the_middle_change_no_byte(nodes: Nodes) -> None:
    make_pieces_wait()
    here("ingest", "validate", "normalize")
    undisturbed = STORE.read_bytes()
    STORE.unlink()
    for _ in range(3):
        last = nodes.start("--num-cpus=1")
    status, said, complained = normalized_while_killed(nodes, last, other=last - 1)
    assert (status, complained) == (0, "")
    assert said == "normalize tiny: 48 photos of 8 students, 32 x 32 pixels each\n"
    assert STORE.read_bytes() == undisturbed


def test_lock_is_the_same_on_both_engines(repository: Path, run: Run, nodes: Nodes) -> None:
    run("dvc", "repro", "normalize", "pairs")
    lock = (repository / "dvc.lock").read_bytes()
    for _ in range(2):
        nodes.start("--num-cpus=1")
    words = nodes.command("dvc", "repro", "--force", "normalize", "pairs")
    done = subprocess.run(words, env=nodes.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ran(done.stdout) == {"ingest@tiny", "validate@tiny", "normalize@tiny", "split", "pairs"}
    assert (repository / "dvc.lock").read_bytes() == lock


def test_cluster_whose_last_node_is_killed_is_told(nodes: Nodes) -> None:
    make_pieces_wait()
    edit(Path("shoepair/runtime/parallel/ray_cluster.py"), "POLL_SECONDS = 20 ", "POLL_SECONDS = 3 ")
    here("ingest", "validate")
    nodes.start("--num-cpus=0")
    last = nodes.start("--num-cpus=1")
    status, said, complained = normalized_while_killed(nodes, last)
    assert (status, said) == (1, "")
    assert "error: the cluster has no node left with 1 CPU for a task\n" in complained
    assert not list(STORE.parent.glob("*")), "something half-written"


def test_nodes_that_cannot_do_the_work_are_named(nodes: Nodes, project: Path) -> None:
    here("ingest", "validate")
    nodes.start("--num-cpus=0")
    assert "RAY_ADDRESS=10.77.0.1:6379: no node of this cluster has a CPU" in refused(nodes)
    other = project / "other"
    shutil.copytree("shoepair", other)
    (other / "pairs.py").write_text("# another version\n")
    empty = project / "empty"
    empty.mkdir()
    places = (project, ROOT)  # of the package: the folder comes first, then what is installed
    cases = (
        ([f"mount --bind {empty} {project}/data/raw"], "data/raw/tiny/train/u001_1_left_m.jpg: No such file"),
        ([f"mount --bind {empty} {place}/shoepair" for place in places], "shoepair cannot be imported there"),
        (
            [f"mount --bind {other} {project}/shoepair"],
            "its code of shoepair, or of the packages",
        ),
        ([f"mount --bind {empty} {project.parent}"], f"{project}: No such file"),
    )
    for mounts, text in cases:
        bad = nodes.start("--num-cpus=1", changed=mounts)
        assert f"error: node 10.77.0.{bad + 1}: {text}" in refused(nodes)
        nodes.kill(bad)


def test_node_without_memory_is_told_with_the_photos(nodes: Nodes) -> None:
    here("ingest", "validate")
    nodes.start("--num-cpus=0")
    greedy = {"RAY_memory_monitor_refresh_ms": "100", "RAY_memory_usage_threshold": "0.001"}
    nodes.start("--num-cpus=1", environment=greedy)
    message = refused(nodes)
    assert "data/raw/tiny/train: photos u001_1_left_m.jpg ... u034_3_right_w.jpg: given up" in message
    assert "its node ran out of memory" in message


def test_cluster_of_another_ray_is_told(nodes: Nodes, tmp_path: Path) -> None:
    import ray

    here("ingest", "validate")
    version = Path(ray.__file__).with_name("_version.py")
    (tmp_path / "older.py").write_text(version.read_text().replace(ray.__version__, "2.0.0"))
    nodes.start("--num-cpus=1", changed=[f"mount --bind {tmp_path / 'older.py'} {version}"])
    message = refused(nodes)
    assert (
        "RAY_ADDRESS=10.77.0.1:6379: cannot be used (Version mismatch: The cluster was started with: Ray: 2.0.0"
        in message
    )
    assert "install the same Python and Ray on all nodes" in message
