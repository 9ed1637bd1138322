"""`shoepair repro` with the real DVC: side by side, with the records of `dvc repro`; failures, locks, sudden ends."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import zc.lockfile
from support.commands import CLI, Run, use_real_programs
from support.field import ROOT, outputs, wait_for

WRITE = "pathlib.Path(name).write_text(name)"
WRITE_LARGE = """\
name, text = ("small/full", "x" * 100_000) if name == "full" else (name, name)
try:
    pathlib.Path(name).write_text(text)
except OSError as error:
    sys.exit(f"error: {name}: {error.strerror}")
"""
# A stage that waits until others run too, and then for a file `go` if told so; alone it fails after a while.
STAGE = """\
import pathlib, sys, time
name, *others = sys.argv[1:]
pathlib.Path(f"{name}.runs").touch()
end = time.monotonic() + 200
for file in [f"{other}.runs" if other != "go" else "go" for other in others]:
    while not pathlib.Path(file).exists():
        if time.monotonic() > end:
            sys.exit(f"error: {name}: alone")
        time.sleep(0.02)
if name.startswith("bad"):
    print("trying")
    sys.exit(f"error: {name}: 1 problem\\n  u1: no shoe\\ncorrect it")
pathlib.Path(name).write_text(name)
print(f"{name}: made")
"""
FULL = 'python -c \'open("/dev/full", "w", 1).write("x\\n")\''


@pytest.fixture
def pipeline(repository: Path) -> Path:
    """The tiny project with a pipeline of small scripts."""
    Path("stage.py").write_text(STAGE)
    Path("dvc.lock").unlink(missing_ok=True)
    return repository


def write_stages(**needs: str) -> None:
    """Write dvc.yaml, as JSON, which is YAML too: each stage by the names it needs, `|`, and those it waits for."""
    stages = {}
    for name, text in needs.items():
        first, _, second = text.partition("|")
        stages[name] = {
            "cmd": f"python stage.py {name} {second}",
            "deps": ["stage.py", *first.split()],
            "outs": [name],
        }
    Path("dvc.yaml").write_text(json.dumps({"stages": stages}))


def entries() -> list[str]:
    text = Path("dvc.lock").read_text()
    return [line.strip().rstrip(":") for line in text.splitlines() if line.startswith("  ") and line[2] not in " -"]


@contextlib.contextmanager
def started(*words: str) -> Iterator[subprocess.Popen[str]]:
    """Start a command alone in its group, with pipes; kill it at the end."""
    pipe = subprocess.PIPE
    words = (sys.executable, *CLI[1:], "repro", *words)
    with subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as process:
        try:
            yield process
        finally:
            process.kill()


def list_stage_processes() -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if Path(process.cwd()) == Path.cwd() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return [process for process in found if process.pid != os.getpid()]


def test_stages_run_side_by_side_and_leave_the_bytes_of_dvc_repro(pipeline: Path, run: Run) -> None:
    write_stages(late="b", a="|b", b="|a", last="a late", c="")
    said = run(*CLI, "repro", "--jobs", "2", "last", "c").stdout
    assert sorted(said.splitlines()[-5:]) == [f"{name}: made" for name in ("a", "b", "c", "last", "late")]
    assert run(*CLI, "repro", "last", "c").stdout.splitlines()[-1] == "Data and pipelines are up to date."
    first = Path("dvc.lock").read_bytes()
    write_stages(late="b", a="|b", b="|a", last="a late", c="", d="|e", e="|d c", f="e d")
    run(*CLI, "repro", "--jobs", "2", "c", "f")
    second = Path("dvc.lock").read_bytes()
    assert not list(pipeline.glob(".dvc/tmp/shoepair/entries*"))
    write_stages(late="b", a="|b", b="|a", last="a late", c="")
    Path("dvc.lock").unlink()
    run("dvc", "repro", "-q", "last", "c")  # restores the outputs
    assert Path("dvc.lock").read_bytes() == first
    write_stages(late="b", a="|b", b="|a", last="a late", c="", d="|e", e="|d c", f="e d")
    run("dvc", "repro", "-q", "c", "f")
    assert Path("dvc.lock").read_bytes() == second
    assert set(entries()) == {*"abcdef", "last", "late"}


def test_stage_that_fails_stops_what_needs_it_and_is_told_once_at_the_end(pipeline: Path, run: Run) -> None:
    write_stages(a="|bad b", b="|bad a", bad="|a b", after="bad", last="after a", other="a b")
    done = run(*CLI, "repro", "--jobs", "3", "last", "other", status=1)
    assert done.stderr.splitlines() == [
        "error: stage bad failed; what needs it did not run: after, last",
        "  bad: 1 problem",
        "      u1: no shoe",
        "    correct it",
        "correct this, then run the command again: it goes on from there",
    ]
    assert sorted(done.stdout.splitlines()[-3:]) == ["a: made", "b: made", "other: made"]
    assert "bad" not in done.stdout
    assert set(entries()) == {"a", "b", "other"}
    assert not any(json.loads(Path(".dvc/tmp/rwlock").read_text()).values())
    assert not (pipeline / "bad").exists()


def test_full_disk_under_one_of_three_stages_is_one_line_and_the_others_are_recorded(
    pipeline: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder of one stage is a disk of 16 kB."""
    use_real_programs(monkeypatch)  # in a namespace of their own
    small = "mkdir -p small && mount -t tmpfs -o size=16k tmpfs small"
    apart = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"]), "sh", "-c"]
    if not shutil.which("unshare") or subprocess.run([*apart, small], capture_output=True, check=False).returncode:
        pytest.skip("no small disk: this system lets nobody mount one (unshare, of util-linux)")
    write_stages(a="|b", b="|a", full="|a b")
    Path("dvc.yaml").write_text(Path("dvc.yaml").read_text().replace('"outs": ["full"]', '"outs": ["small/full"]'))
    Path("stage.py").write_text(STAGE.replace(WRITE, WRITE_LARGE))
    words = [*apart, f"{small} && python -m shoepair repro --jobs 3 a b full"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr.splitlines() == [
        "error: stage full failed",
        "  small/full: No space left on device",
        "correct this, then run the command again: it goes on from there",
    ]
    assert set(entries()) == {"a", "b"}
    assert not any((pipeline / "small").iterdir())
    run(*CLI, "repro", "full")
    assert set(entries()) == {"a", "b", "full"}


@pytest.mark.usefixtures("pipeline")
def test_busy_lock_of_dvc_is_waited_for_while_stages_end(run: Run) -> None:
    """As while another stage stores four gigabytes: DVC itself gives up after three seconds."""
    write_stages(a="|b go", b="|a go")
    with started("--jobs", "2", "a", "b") as process:
        wait_for(lambda: Path("a.runs").exists() and Path("b.runs").exists())
        lock = zc.lockfile.LockFile(".dvc/tmp/lock")
        Path("go").touch()
        time.sleep(5)
        assert process.poll() is None
        lock.close()
        said, error = process.communicate()
    assert (process.returncode, error) == (0, "")
    assert sorted(said.splitlines()[-2:]) == ["a: made", "b: made"]
    assert set(entries()) == {"a", "b"}
    assert run("dvc", "status", "a", "b").stdout.endswith("up to date.\n")


def test_dvc_that_runs_a_stage_and_a_second_repro_are_refused_in_one_line(pipeline: Path, run: Run) -> None:
    write_stages(a="", b="|go")
    locks = {"write": {str(pipeline / "a"): {"pid": os.getpid(), "cmd": "dvc repro a"}}}
    Path(".dvc/tmp/rwlock").write_text(json.dumps(locks))
    refused = run(*CLI, "repro", "a", status=1).stderr
    in_use = "error: `shoepair repro`: the project is in use by"
    assert refused.startswith(f"{in_use} a `dvc` command\n  (PID {os.getpid()}): dvc repro a\nwait until")
    Path(".dvc/tmp/rwlock").unlink()
    with started("b") as process:
        wait_for(Path("b.runs").exists)
        assert run(*CLI, "repro", "a", status=1).stderr.startswith(
            f"{in_use} `shoepair repro` (process {process.pid})"
        )
        assert "in use by" in run(*CLI, "remove", "tiny", status=1).stderr
        Path("go").touch()
        process.communicate()
    assert process.returncode == 0


@pytest.mark.usefixtures("pipeline")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_sudden_end_leaves_no_process_and_what_dvc_repro_would_leave(
    run: Run, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    use_real_programs(monkeypatch)
    write_stages(z="", a="z|b go", b="z|a go", c="a b")
    with started("--jobs", "2", "c") as process:
        wait_for(lambda: Path("a.runs").exists() and Path("b.runs").exists())
        os.killpg(process.pid, number)
        error = process.communicate()[1]
    wait_for(lambda: not list_stage_processes())
    assert process.returncode == (-9 if number == signal.SIGKILL else 128 + number)
    assert error == ("" if number == signal.SIGKILL else "stopped; `shoepair repro` goes on from here\n")
    assert not any(json.loads(Path(".dvc/tmp/rwlock").read_text()).values())
    assert entries() == ["z"]
    assert not Path("a").exists()
    Path("go").touch()
    run(*CLI, "repro", "--jobs", "2", "c")
    assert set(entries()) == {*"zabc"}
    assert run("dvc", "status", "c").stdout.endswith("up to date.\n")


@pytest.mark.usefixtures("pipeline")
def test_running_stages_have_a_bar_each_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    write_stages(a="|b", b="|a")
    code = (
        "\nfrom shoepair.runtime import progress\nfor n in progress.track(range(7), name, 'step'): time.sleep(0.2)\n"
    )
    Path("stage.py").write_text(STAGE + code)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    controller, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (25, 100))
    words = (*CLI, "repro", "--jobs", "2", "a", "b")
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=terminal, text=True) as process:
        os.close(terminal)
        drawn = b""
        with contextlib.suppress(OSError):  # how Linux tells that the other side is closed
            while part := os.read(controller, 4096):
                drawn += part
        assert process.stdout
        assert sorted(process.stdout.read().splitlines()[-2:]) == ["a: made", "b: made"]
    os.close(controller)
    assert process.returncode == 0
    assert b"/7 step" in drawn
    assert b"\x1e" not in drawn


def test_real_pipeline_has_the_bytes_of_dvc_repro(trained: Path, trained_once: Path, run: Run) -> None:
    for name in ("dvc.lock", "metrics/evaluation.json", "models/cnn.safetensors", "data/pairs.parquet"):
        Path(name).unlink()
    shutil.rmtree(".dvc/cache/runs")
    assert "best by validation accuracy" in run(*CLI, "repro").stdout
    assert outputs(trained) == outputs(trained_once)
    assert run("git", "status", "--porcelain").stdout == ""
