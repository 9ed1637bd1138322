"""YAML from elsewhere: what is read, and one message for what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from shoepair.runtime import yaml_files
from shoepair.runtime.errors import ShoepairError


def test_mapping_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("# note\na: [1, x]\nb: {c: 0.5}\nd: '0x'\n")
    assert yaml_files.read_mapping(tmp_path / "a", "") == {"a": [1, "x"], "b": {"c": 0.5}, "d": "0x"}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a: &x [1]\nb: *x\n", r"line 2, column 4: an alias, \*x; write its content in its place"),
        (b"a: &x {b: 1}\nc: {<<: *x}\n", "an alias"),
        (b"a: &x [*x]\n", "an alias"),
        (b"a: " + b"[" * 90_000, "more than 100 open brackets"),
        (b"a: " + b"[" * 50, "maximum depth"),
        (b"".join(b" " * depth + b"a:\n" for depth in range(200)), "maximum depth"),
        (b"- " * 200 + b"a", "maximum depth"),
        (b"a: '" + b"x" * 20_000 + b"'", "a value of 20,000 characters"),
        (b"a: " + b"9" * 5000, "a number of 5,000 characters"),
        (b"a: 0x" + b"f" * 5000, "a number of 5,002 characters"),
        (b"%YAML 1.1\n---\na: 1" + b":59" * 3000, "a number of 9,001 characters"),
        (b"a: 2026-99-99", "month must be in"),
        (b"a: 1\na: 2\n", "duplicate key"),
        (b"? [a]\n: 1\n? {b: 1}\n: 2\n", "unhashable"),
        (b"a: !!python/name:os.system", "could not determine a constructor"),
        (b"a: \xff", "can't decode byte"),
        (b"a: \0", "unacceptable character"),
        (b"a: 1\n--- b\n", "but found another document"),
        (b"a: [1", "expected ',' or ']'"),
    ],
)
def test_document_that_breaks_a_limit_is_refused(content: bytes, problem: str) -> None:
    with pytest.raises(ShoepairError, match=rf"^list: not YAML\n  .*{problem}.*\nrun this$") as caught:
        yaml_files.parse_mapping(content, "list", "run this")
    assert str(caught.value).count("\n") == 2


@pytest.mark.parametrize("content", [b"", b"- a", b"text", b"~"])
def test_other_than_a_mapping_is_refused(content: bytes) -> None:
    with pytest.raises(ShoepairError, match=r"^list: holds no mapping of keys to values\nrun this$"):
        yaml_files.parse_mapping(content, "list", "run this")


def test_long_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a: b\n" * 100)
    with pytest.raises(ShoepairError, match=r"a: more than 99 bytes, expected at most that\nrun this$"):
        yaml_files.read_mapping(tmp_path / "a", "run this", max_bytes=99)
