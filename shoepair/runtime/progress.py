"""Progress bars with rate and remaining time, on a terminal only.

A bar goes to stderr and is erased at its end. Results of a command are plain lines on stdout. Under `shoepair repro`,
which shows the bars of several stages, a stage reports its numbers instead (`stage_reports`).
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from typing import TextIO, TypeVar

from tqdm import tqdm

from shoepair.runtime import stage_reports

REPORT_SECONDS = 0.5  # between two reports of a stage

Item = TypeVar("Item")

_bars_enabled = ContextVar("bars_enabled", default=True)


def disable_bars() -> None:
    """Turn progress bars off in this process: its parent process shows one."""
    _bars_enabled.set(False)


def track(
    items: Iterable[Item], description: str, unit: str, total: int | None = None, *, hidden: bool = False
) -> tqdm[Item]:
    """Wrap an iterable in a progress bar that advances by one per item.

    Args:
        items: to be yielded.
        description: the command and its object, such as "train cnn".
        unit: of an item, such as "photo".
        total: number of items, if `items` has no length.
        hidden: whether to show no bar on a terminal either.

    Returns:
        The bar, to be iterated once; `set_postfix_str` appends a text to it.
    """
    disabled = hidden or not _bars_enabled.get() or None  # None: no bar if stderr is no terminal
    if not disabled and stage_reports.are_wanted():
        return _ReportedBar(items, desc=description, unit=unit, total=total, leave=False, mininterval=REPORT_SECONDS)
    return tqdm(items, desc=description, unit=unit, total=total, disable=disabled, leave=False, dynamic_ncols=True)


def print_above_bar(line: str, stream: TextIO | None = None) -> None:
    """Print a line, above the progress bar if there is one; to stdout by default."""
    tqdm.write(line, file=stream)


class _ReportedBar(tqdm):  # type: ignore[misc]  # tqdm ships no types
    """A bar whose numbers are reported instead of drawn."""

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:  # noqa: ARG002  # tqdm's names
        """Report the numbers; return that nothing was drawn."""
        if msg is None:  # else tqdm erases the bar
            stage_reports.write("progress", self.n, self.total or 0, self.unit, self.postfix or "")
        return False

    def clear(self, nolock: bool = False) -> None:  # tqdm's names
        """Erase nothing: nothing was drawn."""
