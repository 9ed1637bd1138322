"""Start of a stage: its arguments, its libraries, and errors of the operating system."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext

import pytest

from shoepair.runtime import library_versions, stage, stage_inputs
from shoepair.runtime.errors import ShoepairError

STAGE_NAME = "test_stage"  # a stage is named after the file of its `main`


def exit_of(
    monkeypatch: pytest.MonkeyPatch, main: Callable[..., None], *words: str, check: Callable[[str], None] | None = None
) -> object:
    """Return what a stage with these arguments exits with; None if it succeeds."""
    monkeypatch.setattr(sys, "argv", ["whatever", *words])
    monkeypatch.setattr(library_versions, "check_versions", check or (lambda _stage: None))
    monkeypatch.setattr(stage_inputs, "watch", lambda _stage, _arguments: nullcontext())  # see test_stage_inputs.py
    try:
        stage.run(main)
    except SystemExit as done:
        return done.code
    return None


def refuse(name: str) -> None:
    """Raise an error, as for libraries of other versions."""
    raise ShoepairError(f"{name}: numpy 1.0 is installed")  # noqa: EM102


def test_stage_gets_the_command_line_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, str]] = []

    def main(batch: str, model: str = "cnn") -> None:
        calls.append((batch, model))

    assert exit_of(monkeypatch, main, "winter") is None
    assert exit_of(monkeypatch, main, "winter", "siamese") is None
    assert calls == [("winter", "cnn"), ("winter", "siamese")]


def test_libraries_of_the_stage_are_checked_before_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[str] = []

    def main(batch: str) -> None:
        batches.append(batch)

    assert exit_of(monkeypatch, main, "winter", check=refuse) == f"error: {STAGE_NAME}: numpy 1.0 is installed"
    assert batches == []


def test_wrong_arguments_are_reported_before_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    def two(batch: str, model: str) -> None:
        raise AssertionError((batch, model))

    def none() -> None:
        raise AssertionError

    assert exit_of(monkeypatch, two, "winter", check=refuse) == (
        f"error: winter: not the arguments of this stage\nusage: python -m stages.{STAGE_NAME} BATCH MODEL"
    )
    assert exit_of(monkeypatch, none, "winter", check=refuse) == (
        f"error: winter: not the arguments of this stage\nusage: python -m stages.{STAGE_NAME}"
    )


@pytest.mark.parametrize(
    ("error", "message", "fix"),
    [
        (MemoryError(), "this machine has too little memory left", "end other programs, then run the command again"),
        (OSError(28, "No space left on device", "data/a.h5"), "data/a.h5: No space left on device", "free disk space"),
        (PermissionError(13, "Permission denied", "a\nb"), r"a\nb: Permission denied", "correct the permissions"),
        (OSError(5, "Input/output error", "a"), "a: Input/output error", "check the disk"),
        (OSError("unable  to\nlock"), "unable to lock", "free disk space or correct the permissions"),
    ],
)
def test_error_of_the_system_is_one_message(
    monkeypatch: pytest.MonkeyPatch, error: OSError | MemoryError, message: str, fix: str
) -> None:
    def main() -> None:
        raise error

    first, second = str(exit_of(monkeypatch, main)).split("\n")
    assert first == f"error: {message}"
    assert second.startswith(fix)
