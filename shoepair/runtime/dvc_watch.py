"""Ends a stage whose `dvc` was killed: nobody would record what it writes, and the next run writes the same files."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shoepair.runtime import interruption, json_files
from shoepair.runtime.errors import ShoepairError

if TYPE_CHECKING:
    import psutil

STAGE_VARIABLE = "DVC_STAGE"  # set by DVC, for every stage
DVC_LOCKS = Path(".dvc/tmp/rwlock")  # who reads and writes what, by process
POLL_SECONDS = 0.5
READ_TRIES, READ_SECONDS = 20, 0.05  # for a file that `dvc` writes in place, in milliseconds
END_SECONDS = 2.0  # for the orderly end


def end_stage_with_dvc() -> None:
    """Watch the `dvc` that runs this stage, if it is known; if it dies, interrupt the main thread, as by Ctrl-C.

    A stage that was started by hand, or by another program that still lives, goes on.
    """
    if STAGE_VARIABLE in os.environ and (dvc := find_dvc()):
        threading.Thread(target=_watch, args=(dvc,), daemon=True).start()


def find_dvc() -> psutil.Process | None:
    """Return the parent process, or its parent and so on, that holds DVC's lock for the files of a stage."""
    import psutil  # imported late: only where DVC runs the stage

    for _ in range(READ_TRIES):
        if not DVC_LOCKS.is_file():
            break
        try:
            processes = _read_processes(json_files.read_json(DVC_LOCKS, ""))
        except (OSError, ShoepairError):  # another `dvc` is writing it, as often as there are stages beside this one
            time.sleep(READ_SECONDS)
            continue
        return next((parent for parent in psutil.Process().parents() if parent.pid in processes), None)
    return None


def _read_processes(locks: dict[str, Any]) -> set[int]:
    readers = [entry for entries in locks.get("read", {}).values() for entry in entries]
    return {entry["pid"] for entry in (*readers, *locks.get("write", {}).values())}


def _watch(dvc: psutil.Process) -> None:
    import psutil

    while dvc.is_running() and dvc.status() != psutil.STATUS_ZOMBIE:
        time.sleep(POLL_SECONDS)
    os.write(2, b"the `dvc` of this stage was killed: ")
    if sys.platform == "win32":
        _thread.interrupt_main()
    else:  # also wakes the main thread if it waits
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    time.sleep(END_SECONDS)
    os._exit(interruption.STATUS)  # it could not end in this time
