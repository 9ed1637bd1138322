"""Runs the stages of a schedule as processes of their own, reads what they print, and ends them all."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shoepair.commands.reproduction.display import Display
from shoepair.commands.reproduction.schedule import Schedule
from shoepair.runtime import cores, stage_reports
from shoepair.runtime.errors import ShoepairError

PROGRAM = ("-m", "shoepair.commands.reproduction.stage_process")
BUSY_SECONDS = 5.0  # until a stage whose files another `dvc` command uses is tried again
OUTPUT_SECONDS = 5.0  # for what is left in the pipe, which a process of a dead stage may hold open
WAKE_SECONDS = 1.0  # on Windows, Ctrl-C does not wake who waits for a queue
MAX_LINES = 20  # of a failed stage, if it has not said what is an error
ERROR = "error: "
FIX = "correct this, then run the command again: it goes on from there"


@dataclass
class _Outcome:
    """How the process of a stage ended, and what was printed."""

    kind: str = ""  # "done", "unchanged", "failed", "busy"; "" if it died
    reason: str = "its process died"
    lines: list[str] = field(default_factory=list)


def run_stages(schedule: Schedule, display: Display, environment: Mapping[str, str], *, shares_cores: bool) -> None:
    """Run all stages of a schedule; at an error or Ctrl-C end them, and wait until they have ended.

    Args:
        schedule: says which may run.
        display: shows them.
        environment: of their processes.
        shares_cores: whether each is told how many cores it may use.

    Raises:
        ShoepairError: stages failed; all that do not need them have run.
        KeyboardInterrupt: Ctrl-C.
    """
    events: queue.SimpleQueue[tuple[str, list[str] | _Outcome]] = queue.SimpleQueue()
    processes: dict[str, _StageProcess] = {}
    failures: dict[str, list[str]] = {}
    variables = {stage_reports.VARIABLE: "1"} if display.has_bars else {}
    try:
        while True:
            for name, share in schedule.start_ready():
                own = dict(environment) | variables | ({cores.SHARE_VARIABLE: str(share)} if shares_cores else {})
                display.start(name)
                processes[name] = _StageProcess(name, own, events)
            if not schedule.is_running():
                break
            name, event = _next_event(events)
            if isinstance(event, _Outcome):
                processes.pop(name)
                has_failed = event.kind not in {"done", "unchanged"}
                if has_failed:
                    failures[name] = _describe_failure(event)
                display.end(name, [] if has_failed else event.lines or [f"{name}: {event.kind}"])
                schedule.end(name, has_failed=has_failed)
            elif event[0] == "progress":
                display.advance(name, int(event[1]), int(event[2]), event[3], event[4])
            else:
                display.print_lines([f"{name}: waits for {event[1]}"])
    finally:
        for process in processes.values():
            process.stop()
        for process in processes.values():
            process.join()
    if failures:
        raise _failure_error(failures, schedule.skipped)


def _next_event(
    events: queue.SimpleQueue[tuple[str, list[str] | _Outcome]],
) -> tuple[str, list[str] | _Outcome]:
    while True:
        try:
            return events.get(timeout=WAKE_SECONDS)
        except queue.Empty:
            continue


def _describe_failure(outcome: _Outcome) -> list[str]:
    """Return the lines of a failed stage from its error on, or why it ended without one."""
    lines = outcome.lines
    first = next((number for number, line in enumerate(lines) if line.startswith(ERROR)), None)
    if first is not None:
        return [lines[first].removeprefix(ERROR), *lines[first + 1 :]]
    return [*lines[-MAX_LINES:], outcome.reason]


def _failure_error(failures: Mapping[str, Sequence[str]], skipped: Sequence[str]) -> ShoepairError:
    names = ", ".join(failures)
    message = f"stage {names} failed" if len(failures) == 1 else f"{len(failures)} stages failed: {names}"
    if skipped:
        message += f"; what needs {'it' if len(failures) == 1 else 'them'} did not run: {', '.join(skipped)}"
    problems = []
    for name, (first, *others) in failures.items():
        problems += [first if len(failures) == 1 else f"{name}: {first}", *(f"  {line}" for line in others)]
    return ShoepairError(message, problems=problems, fix=FIX)


class _StageProcess:
    """The process of one stage, and the thread that reads and waits for it.

    The process is in a group of its own: Ctrl-C of a terminal reaches it through its pipe only, so it can store what
    it is storing. If another `dvc` command uses files of the stage, another process tries again later.
    """

    def __init__(
        self, name: str, environment: Mapping[str, str], events: queue.SimpleQueue[tuple[str, list[str] | _Outcome]]
    ) -> None:
        self._name, self._environment, self._events = name, environment, events
        self._stopped = threading.Event()
        self._process = self._start()
        self._thread = threading.Thread(target=self._supervise, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the stage as by Ctrl-C, without waiting for it."""
        self._stopped.set()
        assert self._process.stdin
        self._process.stdin.close()

    def join(self) -> None:
        """Wait until the process has ended, whatever comes meanwhile: killed, it could leave a torn dvc.lock."""
        while self._thread.is_alive():
            try:
                self._thread.join(WAKE_SECONDS)
            except KeyboardInterrupt:
                continue

    def _start(self) -> subprocess.Popen[bytes]:
        python = shutil.which("python", path=self._environment.get("PATH", os.defpath)) or sys.executable
        return subprocess.Popen(
            [python, *PROGRAM, self._name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment,
            process_group=0,
        )

    def _supervise(self) -> None:
        is_told = False
        while True:
            outcome = self._read_until_end()
            if outcome.kind != "busy" or self._stopped.is_set():
                break
            if not is_told:
                self._events.put((self._name, ["busy", outcome.reason or "another `dvc` command"]))
                is_told = True
            if self._stopped.wait(BUSY_SECONDS):
                break
            self._process = self._start()
            if self._stopped.is_set():  # meanwhile: `stop` has closed the pipe of the one before
                self.stop()
        self._events.put((self._name, outcome))

    def _read_until_end(self) -> _Outcome:
        outcome = _Outcome()
        reader = threading.Thread(target=self._read, args=(self._process, outcome), daemon=True)
        reader.start()
        status = self._process.wait()
        reader.join(OUTPUT_SECONDS)
        if not outcome.kind and status < 0:
            outcome.reason += f" by signal {-status}; check the system log for an out-of-memory kill"
        return outcome

    def _read(self, process: subprocess.Popen[bytes], outcome: _Outcome) -> None:
        assert process.stdout
        for raw in process.stdout:
            line, mark, rest = raw.decode(errors="replace").rstrip("\r\n").partition(stage_reports.MARK)
            if line or not mark:  # a stage may leave a line open
                outcome.lines.append(line)
            report = stage_reports.parse(mark + rest)
            if not report:
                continue
            if report[0] == "end":
                outcome.kind, outcome.reason = report[1:]
            else:
                self._events.put((self._name, report))
