"""How far a long command came: a bar with rate and remaining time on a terminal, nothing elsewhere.

The bar goes to stderr, and is wiped off when it is full; what a command has to say stays one plain line on stdout.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from typing import TextIO, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

_shown = ContextVar("shown", default=True)


def hide() -> None:
    """Show no bar in this process any more: the one that started it shows its own."""
    _shown.set(False)


def track(
    items: Iterable[Item], what: str, unit: str, total: int | None = None, *, hidden: bool = False
) -> tqdm[Item]:
    """The same items, with a bar that grows by one an item.

    Args:
        items: what is worked on.
        what: the command and what it works on, such as "train cnn".
        unit: of an item, such as "photo".
        total: their number, where `items` has no length.
        hidden: no bar on a terminal either.

    Returns:
        The bar, to be iterated once; `set_postfix_str` adds a word at its end.
    """
    quiet = hidden or not _shown.get() or None  # None: no bar where stderr is no terminal
    return tqdm(items, desc=what, unit=unit, total=total, disable=quiet, leave=False, dynamic_ncols=True)


def say(line: str, to: TextIO | None = None) -> None:
    """Print a line, above the bar where there is one; to stdout if nothing else is given."""
    tqdm.write(line, file=to)
