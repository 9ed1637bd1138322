"""Structs of Thrift's compact protocol: what is read, and what another reader could understand differently."""

from __future__ import annotations

from typing import Any

import pytest

from shoepair.data.thrift_structs import StructReader


def read(content: bytes) -> Any:
    return StructReader(content, 0, len(content)).read_struct()


def test_struct_is_read_by_field_number() -> None:
    # 1: 7 (zigzag), 2: -1, 3: b"ab", 5: {1: true}, 20: 3; then what follows the struct
    content = b"\x15\x0e\x16\x01\x18\x02ab\x2c\x11\x00\x05\x28\x06\x00rest"
    reader = StructReader(content, 0, len(content))
    assert reader.read_struct() == {1: 7, 2: -1, 3: b"ab", 5: {1: True}, 20: 3}
    assert content[reader.position :] == b"rest"


def test_lists_are_read_where_parquet_has_them() -> None:
    assert read(b"\x29\x2c\x00\x15\x02\x00\x00") == {2: [{}, {1: 1}]}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "cut off"),
        (b"\x15", "cut off"),
        (b"\x18\x05ab", "cut off"),
        (b"\x15\x0e\x05\x02\x02\x00", "a field twice"),
        (b"\x05\xca\x01\x02\x00", "an unknown one"),
        (b"\x05\x00\x02\x00", "an unknown one"),
        (b"\x15" + b"\xff" * 12, "endless number"),
        (b"\x1c" * 50, "nested too deep"),
        (b"\x1b\x00\x00", "type 11"),
        (b"\x1a\x15\x02\x00", "type 10"),
        (b"\x29\x18\x01a\x00", "a list that Parquet does not have"),
        (b"\x39\x15\x02\x00", "a list that Parquet does not have"),
        (b"\x29\xfc\xff\xff\xff\xff\x0f\x00", "longer than they are"),
    ],
)
def test_what_readers_may_disagree_on_is_refused(content: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read(content)
