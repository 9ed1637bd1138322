"""Threads of torch, and what glibc is asked to keep."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch

from shoepair.runtime import cpu


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """The number of threads, put back afterwards."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def asked_of(monkeypatch: pytest.MonkeyPatch, platform: str, library: SimpleNamespace) -> None:
    """Give the process this C library and platform."""
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: library)
    monkeypatch.setattr("sys.platform", platform)


@pytest.mark.parametrize("number", [1, 3])
def test_torch_uses_the_number_of_threads_that_is_asked_for(number: int) -> None:
    cpu.use_threads(number)
    assert torch.get_num_threads() == number


@pytest.mark.parametrize(
    ("platform", "expected"), [("linux", [(-4, 0), (-1, 2147483647)]), ("darwin", []), ("win32", [])]
)
def test_glibc_alone_is_told_to_keep_what_is_freed(
    platform: str, expected: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, int]] = []
    library = SimpleNamespace(mallopt=lambda option, value: told.append((option, value)))
    asked_of(monkeypatch, platform, library)
    cpu.use_threads(2)
    assert sorted(told) == expected
    assert torch.get_num_threads() == 2


def test_c_library_without_the_switch_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked_of(monkeypatch, "linux", SimpleNamespace())  # musl has no mallopt
    cpu.use_threads(2)
    assert torch.get_num_threads() == 2
