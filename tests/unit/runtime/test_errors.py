"""Messages of user-facing errors; other errors keep their traceback."""

from __future__ import annotations

import io
import re
import sys
from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoepair.runtime import errors, library_versions, stage, stage_inputs
from shoepair.runtime.errors import ShoepairError


def exit_status(monkeypatch: pytest.MonkeyPatch, *words: str, error: Exception | None = None) -> object:
    """Return what a stage with one argument exits with; None if it succeeds."""

    def main(batch: str) -> None:
        if error:
            raise error
        assert batch == words[0]

    monkeypatch.setattr(sys, "argv", ["stage", *words])
    monkeypatch.setattr(library_versions, "check_versions", lambda _stage: None)  # see test_library_versions.py
    monkeypatch.setattr(stage_inputs, "watch", lambda _stage, _arguments: nullcontext())  # see test_stage_inputs.py
    try:
        stage.run(main)
    except SystemExit as done:
        return done.code
    return None


def test_text_is_the_message_the_problems_and_the_fix_in_this_order() -> None:
    assert str(ShoepairError("a: 2 faults", problems=["b", "c"], fix="do d")) == "a: 2 faults\n  b\n  c\ndo d"
    assert str(ShoepairError("a")) == "a"


def test_error_of_a_user_is_printed_behind_the_word_error(monkeypatch: pytest.MonkeyPatch) -> None:
    # Python prints the text of such an exit to stderr and exits 1.
    assert exit_status(monkeypatch, "tiny", error=ShoepairError("found", fix="do this")) == "error: found\ndo this"


def test_error_of_a_developer_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        exit_status(monkeypatch, "tiny", error=ZeroDivisionError())


def test_type_error_within_a_stage_is_not_taken_for_a_wrong_call(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TypeError, match="within"):
        exit_status(monkeypatch, "tiny", error=TypeError("within"))


@pytest.mark.parametrize(("words", "given"), [((), "nothing"), (("a", "b"), "a b")])
def test_wrong_number_of_arguments_prints_the_usage(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], given: str
) -> None:
    usage = "usage: python -m stages.test_errors BATCH"  # named after the file of `main`
    assert exit_status(monkeypatch, *words) == f"error: {given}: not the arguments of this stage\n{usage}"


def test_successful_stage_does_not_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert exit_status(monkeypatch, "tiny") is None


@given(st.text())
def test_escaped_name_can_be_printed_and_a_printable_one_stays(name: str) -> None:
    shown = errors.escape_unprintable(name)
    assert shown.isprintable()
    assert shown == name or not name.isprintable()


def test_undecodable_bytes_of_a_name_are_shown() -> None:
    assert errors.escape_unprintable("u1\udcff\n.png") == r"u1\udcff\n.png"


def test_text_of_a_file_cannot_forge_lines_of_the_output() -> None:
    error = ShoepairError("a\x1b[2J\x00", problems=["b\r", "c" * 9000], fix="d\u202e é\t")
    first, second, third, fourth = str(error).split("\n")
    assert (first, second, fourth) == ("a\\x1b[2J\\x00", "  b\\r", "d\\u202e é\t")
    assert third.startswith("  ccc")
    assert " ... " in third
    assert len(third) < 2100


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_message_on_a_terminal_is_wrapped_between_words_and_stays_indented(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    problem = "plots/loss/siamese.csv: changed since it was recorded; `dvc checkout` restores it"
    with pytest.raises(SystemExit) as ended:
        errors.exit_with_error(ShoepairError("verify: 1 problem", problems=[problem], fix="do it"))
    assert ended.value.code == 1
    text = re.sub(r"\x1b\[[\d;]*m", "", terminal.getvalue())
    assert [line.rstrip() for line in text.splitlines()] == [
        "error: verify: 1 problem",
        "  plots/loss/siamese.csv: changed since it was recorded;",
        "  `dvc checkout` restores it",
        "do it",
    ]
