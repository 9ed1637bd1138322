"""Option `pytest --slowest 20`: the slowest tests, and the commands that each waits for."""

from __future__ import annotations

import shlex
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PROPERTY = "waits"
SHOWN = 3  # commands that a line names


class Waits:
    """Seconds that the running test has waited for other processes, by command."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._depth = 0  # `communicate` and `run` call `wait`

    def timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """Return a method of `Popen` that also records the seconds it waits."""

        def wrapped(process: subprocess.Popen[Any], *words: Any, **options: Any) -> Any:
            self._depth += 1
            start = time.monotonic()
            try:
                return method(process, *words, **options)
            finally:
                self._depth -= 1
                if not self._depth:
                    name = command_name(process.args)
                    self.seconds[name] = self.seconds.get(name, 0) + time.monotonic() - start

        return wrapped


def command_name(words: Any) -> str:
    """Return the program and its command: "dvc repro", "python -m stages.train"."""
    parts = shlex.split(words) if isinstance(words, str) else [str(word) for word in words]
    program = Path(parts[0]).name
    count = 3 if parts[1:2] == ["-m"] else 2
    return " ".join([program, *(word.split("\n")[0][:24] for word in parts[1:count])])


class Slowest:
    """Adds up the seconds of every test, and prints the longest."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.waits = Waits()
        self.total: dict[str, float] = defaultdict(float)
        self.waited: dict[str, dict[str, float]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Record what this test waits for, as a property of its reports."""
        self.waits.seconds = {}  # a plain dict, which pytest-xdist can send
        item.user_properties.append((PROPERTY, self.waits.seconds))
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up the seconds of setup, call and teardown."""
        self.total[report.nodeid] += report.duration
        waits: Any = dict(report.user_properties).get(PROPERTY, {})
        self.waited[report.nodeid] = waits

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the table."""
        terminalreporter.section(f"the {self.count} slowest, and what they wait for")
        for line in self.lines():
            terminalreporter.write_line(line)

    def lines(self) -> Iterator[str]:
        """Yield a line per test, the slowest first."""
        for name, seconds in longest(self.total, self.count):
            waited = self.waited[name]
            parts = [*longest(waited, SHOWN), ("itself", max(0.0, seconds - sum(waited.values())))]
            yield f"{seconds:7.1f} s  {name}: {', '.join(f'{command} {spent:.1f}' for command, spent in parts)}"


def longest(seconds: dict[str, float], count: int) -> list[tuple[str, float]]:
    """Return the entries with the most seconds, in descending order."""
    return sorted(seconds.items(), key=lambda entry: -entry[1])[:count]


def register(config: pytest.Config, count: int) -> None:
    """Install the measurement in this process."""
    plugin = Slowest(count)
    for name in ("wait", "communicate"):
        setattr(subprocess.Popen, name, plugin.waits.timed(getattr(subprocess.Popen, name)))
    config.pluginmanager.register(plugin, "slowest")
