"""What other systems lack is not needed by this project's code: modules, signals and calls of POSIX alone.

Libraries look at the system themselves. Windows and macOS could not be tried; README says so.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.field import ROOT

# The project's own imports of modules that only POSIX has fail, at the top of a module and later.
WITHOUT_MODULES = """
import builtins, importlib, multiprocessing, os, pkgutil, signal, sys

ABSENT = {"fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"}
original = builtins.__import__

def refuse(name, globals=None, locals=None, fromlist=(), level=0):
    importer = (globals or {}).get("__name__", "")
    if name in ABSENT and importer.partition(".")[0] in {"shoepair", "stages"}:
        raise ModuleNotFoundError(f"No module named {name!r}, imported by {importer}", name=name)
    return original(name, globals, locals, fromlist, level)

builtins.__import__ = refuse
"""
IMPORT_ALL = """
import shoepair, stages
for package in (shoepair, stages):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
            print(module.name)
from shoepair.commands.serving import connections
assert connections.limit_connections(1.0)[0].total == connections.MAX_CONNECTIONS
"""
# The stages in one process, after their libraries are loaded, with what Windows has of `os` and `signal`.
RUN_STAGES = """
BATCH_STAGES = ["ingest tiny", "validate tiny", "normalize tiny"]
STAGES = [*BATCH_STAGES, "split", "synthetic", "pairs", "audit", "train cnn", "train cnn_channel"]
if __name__ == "__main__":
    from shoepair.runtime import stage
    modules = {words: importlib.import_module("stages." + words.split()[0]) for words in [*STAGES, "evaluate"]}
    import torch._dynamo, dvc.repo
    for name in ("SIGHUP", "SIGKILL", "SIGQUIT", "SIGUSR1", "pthread_kill", "pthread_sigmask", "SIG_BLOCK"):
        delattr(signal, name)
    for name in ("fork", "getpgid", "getuid", "killpg", "mkfifo", "sched_getaffinity", "setsid"):
        delattr(os, name)
    multiprocessing.set_start_method("spawn", force=True)
    sys.platform = "win32"
    for words, module in modules.items():
        sys.argv = words.split()
        stage.run(module.main)
"""


def run(program: str, folder: Path) -> str:
    words = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_module_is_imported_without_modules_of_posix() -> None:
    imported = run(WITHOUT_MODULES + IMPORT_ALL, ROOT).split()
    assert {"shoepair.commands.serving.web", "shoepair.runtime.parallel.launch", "stages.train"} <= set(imported)


@pytest.mark.usefixtures("project")
def test_stages_run_without_modules_signals_and_calls_of_posix() -> None:
    run(WITHOUT_MODULES + RUN_STAGES, Path.cwd())
    assert Path("metrics/evaluation.json").is_file()
    assert Path("models/cnn_channel.safetensors").is_file()
