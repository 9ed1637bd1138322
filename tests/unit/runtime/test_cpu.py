"""Torch's threads, and the options of glibc's allocator."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch

from shoepair.runtime import cpu


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """Restore the number of threads after each test."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def fake_system(monkeypatch: pytest.MonkeyPatch, platform: str, library: SimpleNamespace) -> None:
    """Replace the C library and the platform."""
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: library)
    monkeypatch.setattr("sys.platform", platform)


@pytest.mark.parametrize("number", [1, 3])
def test_torch_uses_the_given_number_of_threads(number: int) -> None:
    cpu.configure_torch_cpu(number)
    assert torch.get_num_threads() == number


@pytest.mark.parametrize(
    ("platform", "expected"), [("linux", [(-4, 0), (-1, 2147483647)]), ("darwin", []), ("win32", [])]
)
def test_only_glibc_is_set_to_keep_freed_memory(
    platform: str, expected: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    options: list[tuple[int, int]] = []
    library = SimpleNamespace(mallopt=lambda option, value: options.append((option, value)))
    fake_system(monkeypatch, platform, library)
    cpu.configure_torch_cpu(2)
    assert sorted(options) == expected
    assert torch.get_num_threads() == 2


def test_c_library_without_mallopt_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_system(monkeypatch, "linux", SimpleNamespace())  # musl has no mallopt
    cpu.configure_torch_cpu(2)
    assert torch.get_num_threads() == 2
