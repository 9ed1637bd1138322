"""Progress bars with rate and remaining time, on a terminal only.

A bar goes to stderr and is erased at its end. Results of a command are plain lines on stdout.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from typing import TextIO, TypeVar

from tqdm import tqdm

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
    return tqdm(items, desc=description, unit=unit, total=total, disable=disabled, leave=False, dynamic_ncols=True)


def print_above_bar(line: str, stream: TextIO | None = None) -> None:
    """Print a line, above the progress bar if there is one; to stdout by default."""
    tqdm.write(line, file=stream)
