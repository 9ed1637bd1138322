"""Structs of Thrift's compact protocol, as the metadata of Parquet files are written.

Two readers of the same bytes must not understand them differently: what one checks, the other decodes. So whatever
Arrow's reader may take in another way is refused: a field twice, a field number beyond the known ones, a list of
another type than its place has, maps and sets.
"""

from __future__ import annotations

from mmap import mmap
from typing import Any

TRUE, FALSE, BYTE, INTEGERS, DOUBLE, BINARY, LIST, STRUCT = 1, 2, 3, (4, 5, 6), 7, 8, 9, 12
MAX_DEPTH = 8
MAX_FIELD_NUMBER = 100
LONG_LIST = 15  # in place of a length: it follows
# Type of the elements of the lists of parquet.thrift, by depth of the struct and number of the field.
STRUCT_LISTS = {(1, 2), (1, 4), (1, 5), (1, 7), (2, 1), (2, 4), (4, 8), (4, 13)}
BINARY_LISTS = {(4, 3)}
INTEGER_LISTS = {(4, 2), (5, 2), (5, 3)}


class StructReader:
    """Reads structs from `position` on, at most up to `end`; raises a ValueError at what it refuses."""

    def __init__(self, content: bytes | mmap, position: int, end: int) -> None:
        self._content, self.position, self._end = content, position, end

    def read_struct(self, depth: int = 1) -> dict[int, Any]:
        """Read a struct: number of each field -> number, bytes, list or struct."""
        fields: dict[int, Any] = {}
        number = 0
        while head := self._read_byte():
            number = number + (head >> 4) if head >> 4 else self._read_integer()
            if number in fields or not 0 < number <= MAX_FIELD_NUMBER or depth > MAX_DEPTH:
                message = "metadata with a field twice, an unknown one, or nested too deep"
                raise ValueError(message)
            fields[number] = self._read_value(head & 15, depth, number)
        return fields

    def _read_value(self, value_type: int, depth: int, number: int) -> Any:
        if value_type in (TRUE, FALSE):
            return value_type == TRUE
        if value_type == BYTE:
            return self._read_byte()
        if value_type in INTEGERS:
            return self._read_integer()
        if value_type == DOUBLE:
            return self._read_bytes(8)
        if value_type == BINARY:
            return self._read_bytes(self._read_varint())
        if value_type == STRUCT:
            return self.read_struct(depth + 1)
        if value_type == LIST:
            return self._read_list(depth, number)
        message = f"metadata with a value of type {value_type}"
        raise ValueError(message)

    def _read_list(self, depth: int, number: int) -> list[Any]:
        head = self._read_byte()
        length, element_type, place = head >> 4, head & 15, (depth, number)
        is_known = (
            (element_type == STRUCT and place in STRUCT_LISTS)
            or (element_type == BINARY and place in BINARY_LISTS)
            or (element_type in INTEGERS and place in INTEGER_LISTS)
        )
        if not is_known:
            message = "metadata with a list that Parquet does not have"
            raise ValueError(message)
        if length == LONG_LIST:
            length = self._read_varint()
        if length > self._end - self.position:  # every element has a byte
            message = "metadata with a list that is longer than they are"
            raise ValueError(message)
        return [self._read_value(element_type, depth, number) for _ in range(length)]

    def _read_byte(self) -> int:
        return self._read_bytes(1)[0]

    def _read_bytes(self, length: int) -> bytes:
        if length > self._end - self.position:
            message = "metadata that are cut off"
            raise ValueError(message)
        self.position += length
        return self._content[self.position - length : self.position]

    def _read_varint(self) -> int:
        value = 0
        for shift in range(0, 64, 7):
            byte = self._read_byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        message = "metadata with an endless number"
        raise ValueError(message)

    def _read_integer(self) -> int:
        value = self._read_varint()
        return value >> 1 ^ -(value & 1)
