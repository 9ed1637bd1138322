"""What is shown while stages run: a bar for each on a terminal, and everywhere the lines of each at its end."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import TaskID

from shoepair.runtime import progress
from shoepair.runtime.errors import escape_unprintable


class Display:
    """Shows running and finished stages. To be entered as a context.

    Bars go to stderr, if that is a terminal, and are erased at the end. Lines go to stdout, in one piece for a stage.
    """

    def __init__(self) -> None:
        console = Console(stderr=True, highlight=False)
        self.has_bars = console.is_terminal and sys.stderr.isatty()
        self._progress = progress.make_progress(console, is_enabled=self.has_bars)
        self._bars: dict[str, TaskID] = {}

    def __enter__(self) -> Display:
        self._progress.start()
        return self

    def __exit__(self, *_error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._progress.stop()

    def start(self, name: str) -> None:
        """Show that a stage runs."""
        self._bars[name] = self._progress.add_task(name, total=None, count="", note="")

    def advance(self, name: str, done: int, total: int, unit: str, note: str) -> None:
        """Show how many units of its work a stage has done; a total of 0 is unknown."""
        count = progress.format_count(done, total, unit)
        text = escape_unprintable(note)
        self._progress.update(self._bars[name], completed=done, total=total or None, count=count, note=text)

    def end(self, name: str, lines: Sequence[str]) -> None:
        """Remove the bar of a stage; print its lines."""
        self._progress.remove_task(self._bars.pop(name))
        self.print_lines(lines)

    def print_lines(self, lines: Sequence[str]) -> None:
        """Print lines, above the bars."""
        for line in lines:
            sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
