"""Progress bars with rate and remaining time, and lines that say what goes on, on a terminal only.

They go to stderr and are erased at their end. Results of a command are plain lines on stdout. Under `shoepair repro`,
which shows the bars of several stages, a stage reports its numbers instead (`stage_reports`).

`rich` draws them, in a thread of its own, so that time goes on while a photo or an epoch takes long; it is loaded only
where something is drawn.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Generic, TextIO, TypeVar

from shoepair.runtime import stage_reports
from shoepair.runtime.errors import escape_unprintable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

REPORT_SECONDS = 0.5  # between two reports of a stage
REFRESHES_PER_SECOND = 4
WIDE = 100  # columns: a narrower terminal gets counts without bars, so that loss and validation stand behind them

Item = TypeVar("Item")

_bars_enabled = ContextVar("bars_enabled", default=True)
_lock = threading.RLock()
_shown: list[_Drawn] = []  # what this process draws now: one display for all bars and lines


def disable_bars() -> None:
    """Turn progress bars off in this process: its parent process shows one."""
    _bars_enabled.set(False)


def track(
    items: Iterable[Item], description: str, unit: str, total: int | None = None, *, hidden: bool = False
) -> Bar[Item]:
    """Wrap an iterable in a progress bar that advances by one per item.

    Args:
        items: to be yielded.
        description: the command and its object, such as "train cnn".
        unit: of an item, such as "photo".
        total: number of items, if `items` has no length.
        hidden: whether to show no bar on a terminal either.

    Returns:
        The bar, to be iterated once; `set_note` shows a text behind it.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    display: _Hidden = _Hidden()
    if not hidden and _bars_enabled.get():
        if stage_reports.are_wanted():
            display = _Reported(unit, total)
        elif _is_terminal(sys.stderr):
            display = _Drawn(description, unit, total)
    return Bar(items, total, display)


@contextmanager
def show_status(text: str) -> Iterator[None]:
    """Show on a terminal what goes on while the block runs, which begins with slow imports; nothing elsewhere."""
    if not _is_terminal(sys.stderr) or stage_reports.are_wanted() or not _bars_enabled.get():
        yield
        return
    display = _Drawn(text, "", None)
    display.start()
    try:
        yield
    finally:
        display.stop()


def print_above_bar(line: str, stream: TextIO | None = None) -> None:
    """Print a line, above the progress bars if there are any; to stdout by default."""
    stream = stream or sys.stdout
    with _lock:
        if _shown and _is_terminal(stream):
            _shown[0].print_line(line)
            return
    stream.write(f"{line}\n")
    stream.flush()


def make_progress(console: Console, *, is_enabled: bool = True) -> Progress:
    """Return a display of bars in one line each, of 80 columns where the terminal has no more.

    A task has the fields `count` ("3/80 epoch"), `rate` ("2.1/s") and `note`, which gets what space is left.
    """
    from rich.progress import (
        BarColumn,
        Progress,
        ProgressColumn,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.table import Column
    from rich.text import Text

    def whole() -> Column:
        return Column(no_wrap=True)

    class Bars(BarColumn):
        """No bar for a task of unknown length: a line that says what goes on."""

        def render(self, task: Any) -> Any:
            return super().render(task) if task.total is not None or task.fields["count"] else ""

    elapsed, remaining = TimeElapsedColumn(), TimeRemainingColumn(compact=True)

    class Times(ProgressColumn):
        """The time gone, and the remaining time where it is known: 0:00:12<01:30."""

        def render(self, task: Any) -> Any:
            gone = elapsed.render(task)
            return Text.assemble(gone, "<", remaining.render(task)) if task.total is not None else gone

    class Display(Progress):
        """Leaves the cursor visible: a killed process could not bring it back."""

        def start(self) -> None:
            super().start()
            self.console.show_cursor(True)

    is_wide = console.width >= WIDE
    return Display(
        SpinnerColumn(style="cyan"),
        TextColumn(
            "{task.description}",
            style="bold",
            markup=False,
            table_column=Column(no_wrap=True, overflow="ellipsis", max_width=30 if is_wide else 26),
        ),
        *([Bars(bar_width=10)] if is_wide else []),
        TextColumn("{task.fields[count]}", markup=False, table_column=whole()),
        Times(),
        TextColumn(
            "{task.fields[note]}",
            style="cyan",
            markup=False,
            table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
        ),
        console=console,
        transient=True,
        disable=not is_enabled,
        expand=True,
        redirect_stdout=_is_terminal(sys.stdout),  # else bars and lines go to different places
        refresh_per_second=REFRESHES_PER_SECOND,
    )


class Bar(Generic[Item]):
    """An iterable that shows how far its iteration is."""

    def __init__(self, items: Iterable[Item], total: int | None, display: _Hidden) -> None:
        self.total = total
        self._items, self._display = items, display

    def __iter__(self) -> Iterator[Item]:
        self._display.start()
        try:
            for number, item in enumerate(self._items, start=1):
                yield item
                self._display.advance(number)
        finally:
            self._display.stop()

    def set_note(self, text: str) -> None:
        """Show a text behind the bar."""
        self._display.set_note(text)


class _Hidden:
    """A bar that is not shown."""

    def start(self) -> None:
        """Show it."""

    def advance(self, done: int) -> None:
        """Show that so many items are done."""

    def set_note(self, text: str) -> None:
        """Show a text."""

    def stop(self) -> None:
        """Erase it."""


class _Reported(_Hidden):
    """A bar whose numbers are reported to `shoepair repro` instead of drawn."""

    def __init__(self, unit: str, total: int | None) -> None:
        self._unit, self._total = unit, total
        self._done, self._note, self._last = 0, "", 0.0

    def start(self) -> None:
        self._report()

    def advance(self, done: int) -> None:
        self._done = done
        if time.monotonic() - self._last >= REPORT_SECONDS:
            self._report()

    def set_note(self, text: str) -> None:
        self._note = text
        self._report()

    def stop(self) -> None:
        self._report()

    def _report(self) -> None:
        self._last = time.monotonic()
        stage_reports.write("progress", self._done, self._total or 0, self._unit, self._note)


class _Drawn(_Hidden):
    """A bar on the terminal; several are drawn one below the other."""

    def __init__(self, description: str, unit: str, total: int | None) -> None:
        self._description, self._unit, self._total = description, unit, total
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def start(self) -> None:
        with _lock:
            if _shown:
                self._progress = _shown[0]._progress
            else:
                from rich.console import Console  # imported late: it takes longer than many commands

                self._progress = make_progress(Console(stderr=True, highlight=False))
                self._progress.start()
            assert self._progress is not None
            _shown.append(self)
            text = escape_unprintable(self._description)
            title, note = (text, "") if self._unit else ("", text)  # what goes on has the rest of the line
            self._task = self._progress.add_task(title, total=self._total, count="", note=note)
            if self._unit:
                self.advance(0)
                _show_statuses(self._progress, visible=False)  # the bar says more

    def advance(self, done: int) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done, count=format_count(done, self._total, self._unit))

    def set_note(self, text: str) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, note=text)

    def stop(self) -> None:
        with _lock:
            if self._progress is None or self._task is None or self not in _shown:
                return
            _shown.remove(self)
            if _shown:
                self._progress.remove_task(self._task)
                _show_statuses(self._progress, visible=not any(other._unit for other in _shown))
            else:
                self._progress.stop()

    def print_line(self, line: str) -> None:
        """Print a line above all bars."""
        assert self._progress is not None
        self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)


def _show_statuses(display: Progress, *, visible: bool) -> None:
    """Show or hide the lines that say what goes on."""
    for shown in _shown:
        if not shown._unit and shown._task is not None:
            display.update(shown._task, visible=visible)


def format_count(done: int, total: int | None, unit: str) -> str:
    """Format how many units are done: "3/80 epochs", "7 files"."""
    plural = unit if (total or done) == 1 else f"{unit}s"
    return f"{done:,}/{total:,} {plural}" if total else f"{done:,} {plural}"


def _is_terminal(stream: TextIO) -> bool:
    return stream is not None and stream.isatty()
