"""Parameter files are read as DVC reads them, and once by a running stage."""

from __future__ import annotations

from pathlib import Path

import pytest

from shoepair.runtime import parameter_files
from shoepair.runtime.errors import ShoepairError


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("p.yaml")


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        ("p.yaml", "a: {b: 1.0e-3}\n", {"a": {"b": 0.001}}),
        ("p.toml", "[a]\nb = 'x'\n", {"a": {"b": "x"}}),
        ("p.py", "A = 1\nB, C = 2, 3\nD = f()\n", {"A": 1}),
    ],
)
def test_file_is_parsed_by_its_suffix(name: str, text: str, values: object) -> None:
    assert parameter_files.parse_parameters(Path(name), text) == values


def test_what_one_reader_does_to_the_values_no_other_sees() -> None:
    first = parameter_files.parse_parameters(Path("p.yaml"), "a: {b: [1]}\n")
    first["a"]["b"].append(2)
    assert parameter_files.parse_parameters(Path("p.yaml"), "a: {b: [1]}\n") == {"a": {"b": [1]}}


@pytest.mark.parametrize(("name", "language"), [("p.toml", "TOML"), ("p.py", "Python"), ("p.yaml", "YAML")])
def test_text_of_another_language_is_refused(name: str, language: str) -> None:
    with pytest.raises(ShoepairError, match=f"{name}: not {language}\n  .*\n.*git checkout {name}"):
        parameter_files.parse_parameters(Path(name), "a: [=")


def test_frozen_file_keeps_its_text_until_the_block_ends(file: Path) -> None:
    file.write_text("a: 1\n")
    with parameter_files.freeze_files([file]):
        file.write_text("a: 2\n")
        assert parameter_files.read_yaml(file) == {"a": 1}
    assert parameter_files.read_yaml(file) == {"a": 2}


def test_differences_are_listed_by_key(file: Path) -> None:
    file.write_text("a: {b: 1, c: 2}\nd: 3\n")
    other = Path("q.yaml")
    other.write_text("a: {b: 1, c: 5}\ne: 4\n")
    rows = [("a.c", 2, 5), ("d", 3, None), ("e", None, 4)]
    assert parameter_files.list_yaml_differences(file, other) == rows


def test_key_with_a_dot_and_key_that_is_no_text_equal_no_parameter() -> None:
    values = dict(parameter_files.flatten({"a.b": 1, "a": {"b": 2}, 1: 3}))
    assert values == {"'a.b'": 1, "a.b": 2, "[1]": 3}
