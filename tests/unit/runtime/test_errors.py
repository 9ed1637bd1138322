"""What a user reads when something is wrong, and what is never kept from a developer."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoepair.runtime import errors, libraries, stage
from shoepair.runtime.errors import ShoepairError


def said(monkeypatch: pytest.MonkeyPatch, *words: str, error: Exception | None = None) -> object:
    """What a stage of one argument exits with; None if it ends well."""

    def main(batch: str) -> None:
        if error:
            raise error
        assert batch == words[0]

    monkeypatch.setattr(sys, "argv", ["stage", *words])
    monkeypatch.setattr(libraries, "check", lambda _stage: None)  # see test_libraries.py
    try:
        stage.run(main)
    except SystemExit as done:
        return done.code
    return None


def test_message_is_what_was_found_the_problems_and_the_fix_in_this_order() -> None:
    assert str(ShoepairError("a: 2 faults", problems=["b", "c"], fix="do d")) == "a: 2 faults\n  b\n  c\ndo d"
    assert str(ShoepairError("a")) == "a"


def test_mistake_of_a_user_is_printed_behind_the_word_error(monkeypatch: pytest.MonkeyPatch) -> None:
    # Python prints the text of such an exit to stderr and exits 1; test_table.py sees it from outside.
    assert said(monkeypatch, "tiny", error=ShoepairError("found", fix="do this")) == "error: found\ndo this"


def test_mistake_of_a_developer_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        said(monkeypatch, "tiny", error=ZeroDivisionError())


def test_type_error_within_a_stage_is_not_taken_for_a_wrong_call(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TypeError, match="within"):
        said(monkeypatch, "tiny", error=TypeError("within"))


@pytest.mark.parametrize(("words", "given"), [((), "nothing"), (("a", "b"), "a b")])
def test_wrong_number_of_words_is_answered_with_the_usage(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], given: str
) -> None:
    usage = "usage: python -m stages.test_errors BATCH"  # named after the file that `main` stands in
    assert said(monkeypatch, *words) == f"error: {given}: not the arguments of this stage\n{usage}"


def test_stage_that_ends_well_exits_with_nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(monkeypatch, "tiny") is None


@given(st.text())
def test_escaped_name_can_be_printed_and_a_printable_one_stays(name: str) -> None:
    shown = errors.escaped(name)
    assert shown.isprintable()
    assert shown == name or not name.isprintable()


def test_undecodable_bytes_of_a_name_are_shown() -> None:
    assert errors.escaped("u1\udcff\n.png") == r"u1\udcff\n.png"
