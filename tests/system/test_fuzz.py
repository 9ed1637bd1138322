"""Mutated input: every earlier finding, and a short run of the fuzzer."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import pytest

from benchmarks import fuzz

FOUND = sorted(path for path in fuzz.REGRESSIONS.rglob("*") if path.is_file())


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_once_is_refused_or_read(path: Path, tmp_path: Path) -> None:
    with contextlib.suppress(*fuzz.REFUSALS):
        fuzz.TARGETS[path.parent.name][1](path.read_bytes(), tmp_path)


def test_short_run_finds_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fuzz, "REGRESSIONS", tmp_path)
    shares = {"photo": 0.3, "name": 0.15, "archive": 0.15, "store": 0.1, "decision": 0.1}
    shares |= dict.fromkeys(("table", "card", "list", "record"), 0.05)
    monkeypatch.setattr(fuzz, "SHARES", shares)
    results = fuzz.fuzz(4000, seed=2, workers=2)
    assert sum(result.executions for result in results.values()) == 4000
    assert [finding for result in results.values() for finding in result.findings.items()] == []
    assert all(0 < results[target].accepted < results[target].executions for target in fuzz.TARGETS)


def spin() -> None:
    """Work for a minute, unless interrupted."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        pass


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        (lambda _data, _place: [][0], "IndexError"),
        (lambda _data, _place: spin(), "more than 0.2 s"),
        (lambda _data, _place: os.abort(), "exit status -6"),
    ],
)
def test_fuzzer_notices(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reader: fuzz.Reader, text: str) -> None:
    monkeypatch.setattr(fuzz, "REGRESSIONS", tmp_path)
    monkeypatch.setattr(fuzz, "SECONDS", 0.2)
    monkeypatch.setattr(fuzz, "SHARES", {"name": 1.0})
    monkeypatch.setitem(fuzz.TARGETS, "name", (fuzz.name_seeds, reader))
    result = fuzz.fuzz(2, seed=1, workers=1)["name"]
    assert result.executions == 2
    assert result.findings
    assert all(text in error for error in result.findings.values())
    assert all((tmp_path / path).is_file() for path in result.findings)
