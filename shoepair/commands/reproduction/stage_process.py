"""Program that reproduces one stage as `dvc repro --single-item STAGE`; started by `shoepair repro`.

    python -m shoepair.commands.reproduction.stage_process STAGE

It waits for DVC's lock for as long as it takes. If its standard input ends, because the program that started it stops
or was killed, it ends its stage as Ctrl-C would; what DVC is storing at that moment is stored completely.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
from dvc.exceptions import DvcException, ReproductionError
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.stage.exceptions import StageCmdFailedError

from shoepair.runtime import project_lock, stage_reports
from shoepair.runtime.errors import from_os_error

DONE, UNCHANGED, FAILED, BUSY = "done", "unchanged", "failed", "busy"  # ends of a stage, reported with a reason
LOCK_FILE = Path("dvc.lock")
POLL_SECONDS = 0.2

_stopped = threading.Event()  # set when the program that started this one stops it, or has died


def main() -> None:
    """Reproduce the stage that the command line names; report how it ended."""
    name = sys.argv[1]
    _silence_dvc()
    sys.argv = ["shoepair repro", name]  # how other `dvc` commands name this process
    threading.Thread(target=_end_stage_with_parent, daemon=True).start()
    stage_reports.write("end", *reproduce(name))


def _silence_dvc() -> None:
    """Let DVC print warnings only: not each step, nor errors, which it raises too."""
    for name in ("dvc", "dvc_data", "dvc_objects"):
        logging.getLogger(name).setLevel(logging.WARNING)
        for handler in logging.getLogger(name).handlers:
            handler.addFilter(lambda record: record.levelno < logging.ERROR)


def reproduce(name: str) -> tuple[str, str]:
    """Reproduce a stage; return how it ended, and the reason if it is not a message of the stage itself."""
    try:
        with Repo(_wait_for_lock=True) as repo:
            done = repo.reproduce(targets=[name], single_item=True, repro_fn=_reproduce_and_record)
    except ReproductionError as error:
        return _explain(error.__cause__ or error)
    except (DvcException, OSError, MemoryError) as error:
        return _explain(error)
    return (DONE if done else UNCHANGED), ""


def _explain(error: BaseException) -> tuple[str, str]:
    if isinstance(error, LockError):
        return BUSY, ", ".join(project_lock.list_dvc_lock_users(error))
    if isinstance(error, StageCmdFailedError):
        return FAILED, str(error)
    if isinstance(error, OSError | MemoryError):
        return FAILED, f"DVC: {from_os_error(error).message}"
    return FAILED, f"DVC: {error or type(error).__name__}"


def _reproduce_and_record(stage: Any, **options: Any) -> Any:
    """Do what `dvc repro` does with a stage; but where dvc.lock cannot be written, as on a full disk, restore it."""
    if _stopped.is_set():  # while this one waited for DVC's lock
        raise StageCmdFailedError(stage.cmd)
    done = stage.reproduce(**options)
    if done:
        before = LOCK_FILE.read_bytes() if LOCK_FILE.is_file() else None
        try:
            stage.dump(update_pipeline=False)
        except OSError:
            if before is not None:
                LOCK_FILE.write_bytes(before)  # in place: DVC has emptied it, so there is room
            raise
    return done


def _end_stage_with_parent() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 1024):
            pass
    _stopped.set()
    told: set[int] = set()
    while True:
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process().children(recursive=True):
                if child.pid not in told:
                    told.add(child.pid)
                    child.send_signal(signal.SIGTERM if sys.platform == "win32" else signal.SIGINT)
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    main()
