"""Runs programs in forks of a Python that has loaded the libraries, to save the time of loading them.

A stage of the tiny class computes for milliseconds and loads libraries for seconds, in every process that DVC starts.
`folder()` holds programs `python`, `dvc` and `shoepair` that belong on the PATH before the real ones: each hands its
arguments, folder, environment, umask and standard files to a server, which forks. What the fork runs is the real DVC
and the real stage, read from the current folder. The real programs run modules outside the project, and run if
variables that steer Python or libraries (`STEER`) differ from the server's. Tests that look at processes, or put them
into a namespace, call `commands.use_real_programs`.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from typing import NamedTuple, NoReturn

import filelock

# Modules that stages and DVC load. Every process reads the project's modules anew, since tests change them.
LOADED = (
    "dvc.cli",
    "dvc.commands.experiments.exec_run",
    "dvc.commands.plots",
    "dvc.commands.repro",
    "dvc.repo",
    "h5py",
    "hypothesis",
    "jinja2",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "matplotlib.figure",
    "pebble",
    "PIL.ImageCms",
    "PIL.JpegImagePlugin",
    "PIL.WebPImagePlugin",
    "pyarrow.dataset",
    "pyarrow.pandas_compat",
    "ruamel.yaml",
    "safetensors.torch",
    "scipy.ndimage",
    "sklearn.decomposition",
    "sklearn.linear_model",
    "sklearn.metrics",
    "torch._dynamo",  # at the first step of an optimizer
    "torch.fx.experimental.symbolic_shapes",
    "torch.onnx",
    "typer",
)
STEER = ("PYTHON", "OMP_", "MKL_", "OPENBLAS_", "LD_", "ATEN_", "TORCH", "COVERAGE")
USUAL = {"PYTHONDONTWRITEBYTECODE": "1", "OMP_WAIT_POLICY": "PASSIVE"}
PROGRAMS = ("dvc", "shoepair")
CLIENT = """\
import json, os, socket, sys
address, real, *words = sys.argv[1:]
environment = dict(os.environ)
if environment.get("PYTHONPATH") == {libraries!r}:  # DVC's queue says so
    del environment["PYTHONPATH"]
steered = {{name: value for name, value in environment.items() if name.startswith({steer})}}
of_project = real.endswith({programs}) or words[:1] == ["-m"] and words[1].startswith(("shoepair", "stages."))
if not of_project or steered | {usual} != {steered}:
    os.execv(real, [real, *words])
with socket.socket(socket.AF_UNIX) as server:
    server.connect(address)
    socket.send_fds(server, [b"."], [0, 1, 2])
    mask = os.umask(0)
    server.sendall(json.dumps([real, words, os.getcwd(), mask, environment]).encode() + b"\\n")
    status = int(server.recv(16) or 1)
if status < 0:
    os.kill(os.getpid(), -status)
os._exit(status)
"""


@functools.cache
def folder() -> Path:
    """Return the folder of the programs; start the server, which ends with this process."""
    programs = Path(tempfile.mkdtemp(prefix="preloaded-"))
    environment = os.environ | USUAL
    steered = {name: value for name, value in environment.items() if name.startswith(STEER)}
    libraries = str(Path(filelock.__file__).parent.parent)
    client = CLIENT.format(libraries=libraries, programs=PROGRAMS, steer=STEER, usual=USUAL, steered=steered)
    (programs / "client.py").write_text(client)
    for name in ("python", *PROGRAMS):
        real = Path(sys.executable).with_name(name)
        script = f'#!/bin/sh\nexec {sys.executable} -IS {programs}/client.py {programs}/socket {real} "$@"\n'
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(programs / "socket"))
        listener.listen(64)
        file = listener.fileno()
        words = [sys.executable, __file__, str(file)]
        server = subprocess.Popen(
            words, stdin=subprocess.PIPE, pass_fds=[file], env=environment, start_new_session=True
        )
    atexit.register(_stop, server, programs)
    return programs


def _stop(server: subprocess.Popen[bytes], programs: Path) -> None:
    server.communicate()  # it ends with its standard input
    shutil.rmtree(programs)


class _Child(NamedTuple):
    """A running fork, and the client that waits for its end."""

    pid: int
    end: int  # a file descriptor that becomes readable when the process ends
    client: socket.socket


def _serve(listener: socket.socket) -> tuple[str, list[str]]:
    """Fork for every request; return, in the fork, the program and its arguments."""
    children: list[_Child] = []
    while True:
        watched = [listener, sys.stdin, *(child.end for child in children), *(child.client for child in children)]
        ready, _, _ = select.select(watched, [], [])
        if sys.stdin in ready:
            os._exit(0)
        for child in [child for child in children if child.end in ready]:
            _, status = os.waitpid(child.pid, 0)
            with contextlib.suppress(OSError):  # the client has ended
                child.client.send(str(os.waitstatus_to_exitcode(status)).encode())
            child.client.close()
            os.close(child.end)
            children.remove(child)
        for child in [child for child in children if child.client in ready]:  # the client was killed
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
        if listener in ready:
            client, _ = listener.accept()
            _, files, _, _ = socket.recv_fds(client, 1, 3)
            with client.makefile() as request:
                real, words, directory, mask, environment = json.loads(request.readline())
            pid = os.fork()
            if not pid:
                for connection in [listener, client, *(child.client for child in children)]:
                    connection.close()
                os.umask(mask)
                _become(files, directory, environment)
                return real, words
            for file in files:
                os.close(file)
            children.append(_Child(pid, os.pidfd_open(pid), client))


def _become(files: list[int], directory: str, environment: dict[str, str]) -> None:
    """Take over the standard files, the directory and the environment of a request."""
    os.setpgid(0, 0)
    for standard, file in enumerate(files):
        os.dup2(file, standard)
        os.close(file)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()


def _run(real: str, words: list[str]) -> None:
    """Run a program as `real words...` would, in this process."""
    if real.endswith(PROGRAMS):
        sys.path[0] = str(Path(real).parent)
        sys.argv = [real, *words]
        runpy.run_path(real, run_name="__main__")
    else:
        sys.path[0] = str(Path.cwd())
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)


def _end(status: object) -> NoReturn:
    """End this process like `sys.exit(status)`, but skip the teardown of libraries, which takes half a second."""
    if isinstance(status, str):
        sys.stderr.write(f"{status}\n")
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else int(status is not None))


def _main() -> NoReturn:
    for name in LOADED:
        importlib.import_module(name)
    gc.freeze()  # else the first collection of every fork copies all pages
    request = _serve(socket.socket(fileno=int(sys.argv[1])))
    try:
        _run(*request)
    except SystemExit as ended:
        _end(ended.code)
    except BaseException:  # noqa: BLE001  # printed, as Python prints it
        traceback.print_exc()
        _end(1)
    _end(None)


if __name__ == "__main__":
    _main()
