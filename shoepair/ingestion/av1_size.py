"""The size that an AV1 bitstream says itself, in its sequence headers; a HEIF file says it once more, and may lie.

A bitstream consists of OBUs: a header, a length, a content (AV1 specification, 5.3 and 5.5). No picture of it is
larger than its sequence header says.
"""

from __future__ import annotations

from collections.abc import Iterator

SEQUENCE_HEADER = 1  # type of an OBU
MAX_OBUS = 10_000  # of a picture; usually 3 to 5
MAX_HEADER_BYTES = 512  # of a sequence header, up to its size: 32 operating points
MAX_LENGTH_BYTES = 8  # of the length of an OBU


class _Bits:
    """Reads bits one after the other; zeros behind the end."""

    def __init__(self, content: bytes) -> None:
        self.number = int.from_bytes(content.ljust(MAX_HEADER_BYTES, b"\0"), "big")
        self.left = 8 * max(len(content), MAX_HEADER_BYTES)

    def read(self, count: int) -> int:
        """Read a number of so many bits."""
        self.left -= count
        return self.number >> max(0, self.left) & ((1 << count) - 1)

    def skip_if(self, count: int) -> bool:
        """Read a bit; if it is set, skip so many more."""
        is_set = self.read(1) == 1
        self.read(count if is_set else 0)
        return is_set


def iter_obus(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and the beginning of the content of each OBU, up to `MAX_OBUS`."""
    position = 0
    for _ in range(MAX_OBUS):
        if position >= len(content):
            return
        header = content[position]
        position += 1 + (header >> 2 & 1)  # an extension of one byte
        length = len(content) - position
        if header >> 1 & 1:
            length, shift = 0, 0
            for byte in content[position : position + MAX_LENGTH_BYTES]:
                position += 1
                length |= (byte & 0x7F) << shift
                shift += 7
                if byte < 0x80:  # the last one
                    break
        yield header >> 3 & 15, content[position : position + min(length, MAX_HEADER_BYTES)]
        position += length


def find_largest_size(content: bytes) -> int:
    """Return the most pixels that a picture of a bitstream can have by its sequence headers; 0 if it has none."""
    return max((_read_size(header) for kind, header in iter_obus(content) if kind == SEQUENCE_HEADER), default=0)


def _read_size(header: bytes) -> int:
    """Return width x height of a sequence header."""
    bits = _Bits(header)
    bits.read(4)  # profile, still picture
    if bits.read(1):  # of one picture
        bits.read(5)
    else:
        _skip_operating_points(bits)
    width_bits, height_bits = bits.read(4) + 1, bits.read(4) + 1
    return (bits.read(width_bits) + 1) * (bits.read(height_bits) + 1)


def _skip_operating_points(bits: _Bits) -> None:
    """Skip timing and operating points, which stand before the size."""
    has_decoder_model, delay_bits = False, 0
    if bits.skip_if(64):  # timing: units in a tick, ticks in a second
        if bits.read(1):  # all pictures last equally long: a number in as many bits as there are zeros before it
            zeros = 0
            while zeros < 32 and not bits.read(1):  # bits of a number
                zeros += 1
            bits.read(zeros)
        has_decoder_model = bits.read(1) == 1
        if has_decoder_model:
            delay_bits = bits.read(5) + 1
            bits.read(42)
    has_display_delay = bits.read(1) == 1
    for _ in range(bits.read(5) + 1):
        bits.read(12)
        if bits.read(5) > 7:  # levels with tiers
            bits.read(1)
        if has_decoder_model:
            bits.skip_if(2 * delay_bits + 1)
        if has_display_delay:
            bits.skip_if(4)
