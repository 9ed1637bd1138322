"""Pieces in order: how far ahead they are started, how often a piece whose process died is tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.parallel.scheduling import RETRIES, Workers, given_up, in_order, windows


class DiedError(Exception):
    """A process is gone."""


def told(piece: int) -> str:
    return f"piece {piece}"


def dying(times: int, tries: Counter[int], *, most: int = 2) -> Workers[int, int, int]:
    """Workers whose process dies so many times over the piece 2; each try is counted."""

    def start(piece: int) -> int:
        tries[piece] += 1
        return piece

    def take(piece: int) -> int:
        if piece == 2 and tries[piece] <= times:
            raise DiedError
        return piece * 10

    return Workers(start, take, most, DiedError, lambda error: (type(error).__name__, "see the log"))


@pytest.mark.parametrize("times", range(RETRIES + 1))
def test_piece_is_tried_again_until_its_process_lives(times: int) -> None:
    tries: Counter[int] = Counter()
    assert list(in_order(range(5), dying(times, tries), told)) == [0, 10, 20, 30, 40]
    assert tries == Counter({0: 1, 1: 1, 2: times + 1, 3: 1, 4: 1})


def test_piece_is_given_up_after_the_last_try_and_those_before_it_came() -> None:
    tries: Counter[int] = Counter()
    results = in_order(range(5), dying(99, tries), told)
    assert [next(results), next(results)] == [0, 10]
    with pytest.raises(ShoepairError, match=r"^piece 2: given up after 4 tries: DiedError\nsee the log$"):
        next(results)
    assert tries[2] == RETRIES + 1
    assert tries[4] == 0, "nothing is started any more"


def test_error_of_the_work_itself_is_not_tried_again() -> None:
    started: list[int] = []

    def start(piece: int) -> int:
        started.append(piece)
        return piece

    def take(piece: int) -> int:
        raise ZeroDivisionError(piece)

    workers = Workers(start, take, 1, DiedError)
    with pytest.raises(ZeroDivisionError, match=r"^0$"):
        list(in_order(range(5), workers, told))
    assert started == [0]


@given(st.integers(0, 12), st.integers(1, 6), st.integers(0, 12))
@settings(max_examples=40, deadline=None)
def test_no_piece_is_started_earlier_than_it_must(number: int, most: int, taken: int) -> None:
    started: list[int] = []

    def start(piece: int) -> int:
        started.append(piece)
        return piece

    results = in_order(range(number), Workers(start, lambda piece: piece, most), told)
    got = [result for result, _ in zip(results, range(taken), strict=False)]
    assert got == list(range(min(taken, number)))
    # zip asks once more than it hands on, unless the pieces came to an end
    asked = min(taken + 1, number)
    assert started == list(range(min(number, most + asked - 1) if asked else 0))


def test_message_of_work_that_is_given_up_counts_its_tries() -> None:
    assert str(given_up("train cnn", "a rank died", "look")) == "train cnn: given up after 4 tries: a rank died\nlook"


@given(st.lists(st.integers()), st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_windows_are_the_items_and_all_but_the_last_are_full(items: list[int], length: int) -> None:
    found = list(windows(iter(items), length))
    assert [item for window in found for item in window] == items
    assert all(len(window) == length for window in found[:-1])
    assert all(1 <= len(window) <= length for window in found)


def test_windows_take_no_more_than_is_asked_for() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(10):
            taken.append(number)
            yield number

    assert next(windows(items(), 3)) == [0, 1, 2]
    assert taken == [0, 1, 2]
