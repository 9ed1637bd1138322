"""Work in pieces: the same results in the same order on threads, on processes and on Ray; what a user is told."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoepair.ingestion import decode_all, scan
from shoepair.runtime import parallel, storage
from shoepair.runtime.errors import ShoepairError
from shoepair.runtime.parallel import scheduling


def square(number: int) -> int:
    return number * number


def told(piece: object) -> str:
    return f"piece {piece}"


@given(st.integers(0, 30), st.integers(1, 8))
def test_no_more_pieces_are_under_way_than_allowed(number: int, most: int) -> None:
    under_way: set[int] = set()

    def start(piece: int) -> int:
        under_way.add(piece)
        assert len(under_way) <= most
        return piece

    def take(started: int) -> int:
        under_way.remove(started)
        return started

    workers = scheduling.Workers(start, take, most)
    assert list(scheduling.in_order(range(number), workers, told)) == list(range(number))
    assert not under_way


def test_message_names_the_photos_of_a_piece() -> None:
    files = [Path("data/raw/winter/train") / f"u00{number}_1_left_m.jpg" for number in (1, 2)]
    assert (
        decode_all._named([storage.Listed(path, "") for path in files])
        == "data/raw/winter/train: photos u001_1_left_m.jpg ... u002_1_left_m.jpg"
    )
    assert scan._named(files) == "data/raw/winter/train: files u001_1_left_m.jpg ... u002_1_left_m.jpg"


def test_unknown_engine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(parallel.SWITCH, "spark")
    with pytest.raises(ShoepairError, match="SHOEPAIR_ENGINE=spark: no such engine, expected local or ray"):
        list(parallel.ordered(square, range(3), tell=told))
    with parallel.here():
        assert list(parallel.ordered(square, range(3), tell=told)) == [0, 1, 4]


def test_ray_that_is_not_installed_is_told_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(parallel.SWITCH, "ray")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ShoepairError, match=r"Ray is not installed\ninstall it: `pip install 'shoepair\[ray\]'`"):
        list(parallel.ordered(square, range(3), tell=told))
