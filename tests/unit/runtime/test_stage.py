"""How a stage is started: its words, its libraries, and the system's own refusals."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from shoepair.runtime import libraries, stage
from shoepair.runtime.errors import ShoepairError

HERE = "test_stage"  # a stage is named after the file that its `main` stands in


def exit_of(
    monkeypatch: pytest.MonkeyPatch, main: Callable[..., None], *words: str, check: Callable[[str], None] | None = None
) -> object:
    """What the stage exits with on these words; None where it ends well."""
    monkeypatch.setattr(sys, "argv", ["whatever", *words])
    monkeypatch.setattr(libraries, "check", check or (lambda _stage: None))
    try:
        stage.run(main)
    except SystemExit as done:
        return done.code
    return None


def refuse(name: str) -> None:
    """Libraries that are not the ones expected."""
    raise ShoepairError(f"{name}: numpy 1.0 is installed")  # noqa: EM102


def test_stage_gets_the_words_of_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[tuple[str, str]] = []

    def main(batch: str, model: str = "cnn") -> None:
        got.append((batch, model))

    assert exit_of(monkeypatch, main, "winter") is None
    assert exit_of(monkeypatch, main, "winter", "siamese") is None
    assert got == [("winter", "cnn"), ("winter", "siamese")]


def test_libraries_of_the_stage_are_looked_at_before_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    worked: list[str] = []

    def main(batch: str) -> None:
        worked.append(batch)

    assert exit_of(monkeypatch, main, "winter", check=refuse) == f"error: {HERE}: numpy 1.0 is installed"
    assert worked == []


def test_wrong_words_are_told_before_the_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    def two(batch: str, model: str) -> None:
        raise AssertionError((batch, model))

    def none() -> None:
        raise AssertionError

    assert exit_of(monkeypatch, two, "winter", check=refuse) == (
        f"error: winter: not the arguments of this stage\nusage: python -m stages.{HERE} BATCH MODEL"
    )
    assert exit_of(monkeypatch, none, "winter", check=refuse) == (
        f"error: winter: not the arguments of this stage\nusage: python -m stages.{HERE}"
    )


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(28, "No space left on device", "data/a.h5"), "data/a.h5: No space left on device"),
        (PermissionError(13, "Permission denied", "a\nb"), r"a\nb: Permission denied"),
        (OSError("unable  to\nlock"), "unable to lock"),
    ],
)
def test_what_the_system_refuses_is_one_message(monkeypatch: pytest.MonkeyPatch, error: OSError, told: str) -> None:
    def main() -> None:
        raise error

    first, fix = str(exit_of(monkeypatch, main)).split("\n")
    assert first == f"error: {told}"
    assert fix.startswith("make room, or put the rights in order")
